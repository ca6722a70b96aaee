#pragma once
/// \file
/// Registries are plain constexpr tables; this finds a row or says which name was probably meant.

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/nearest_name.h"

namespace cosformer {

/// The row whose member `name` is `name`. Throws InputError that begins with `key` (the config key that holds the name) and
/// gives the nearest name of the table.
template <class Table>
const auto& find_named(const Table& table, std::string_view name, std::string_view key) {
  const auto found = std::ranges::find(table, name, [](const auto& row) { return std::string_view(row.name); });
  if (found != std::end(table)) return *found;
  std::vector<std::string_view> names;
  names.reserve(std::ranges::size(table));
  for (const auto& row : table) names.emplace_back(row.name);
  throw InputError(concat(key, ": unknown name \"", name, '"', name_hint(name, names)));
}

}  // namespace cosformer
