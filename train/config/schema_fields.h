#pragma once
/// \file
/// What the rows of the schema are made with: a field for each type of value, by the members that lead to it.

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/config/schema.h"

namespace cosformer::schema {

using Names = std::vector<std::string_view>;

/// An enumerator and its name in configs.
template <class Enum>
struct Named {
  std::string_view name;
  Enum value;
};

template <const auto& List>
Names names_of() {
  return Names(std::begin(List), std::end(List));
}

/// The names of a table's rows.
Names row_names(const auto& rows) {
  Names names;
  for (const auto& row : rows) names.emplace_back(row.name);
  return names;
}

template <auto Registry>
Names registered() {
  return row_names(Registry());
}

/// The member that a path of member pointers leads to.
template <auto First, auto... Rest>
constexpr auto& follow(auto& object) {
  if constexpr (sizeof...(Rest) == 0) {
    return object.*First;
  } else {
    return follow<Rest...>(object.*First);
  }
}

template <class Value, auto... Path>
constexpr Field plain(std::string_view key, FieldType type, Range range, Names (*names)(), std::string_view help) {
  return {key,
          type,
          range,
          names,
          help,
          [](const Config& config) { return ConfigValue(follow<Path...>(config)); },
          [](Config& config, const ConfigValue& value) { follow<Path...>(config) = std::get<Value>(value); }};
}

template <auto... Path>
constexpr Field boolean(std::string_view key, std::string_view help) {
  return plain<bool, Path...>(key, FieldType::boolean, {}, nullptr, help);
}

template <auto... Path>
constexpr Field integer(std::string_view key, double minimum, double maximum, std::string_view help) {
  return plain<std::int64_t, Path...>(key, FieldType::integer, {minimum, maximum}, nullptr, help);
}

template <auto... Path>
constexpr Field number(std::string_view key, Range range, std::string_view help) {
  return plain<double, Path...>(key, FieldType::number, range, nullptr, help);
}

template <auto... Path>
constexpr Field text(std::string_view key, Names (*names)(), std::string_view help) {
  return plain<std::string, Path...>(key, FieldType::text, {}, names, help);
}

template <auto... Path>
constexpr Field texts(std::string_view key, Names (*names)(), std::string_view help) {
  return plain<std::vector<std::string>, Path...>(key, FieldType::texts, {}, names, help);
}

template <auto... Path>
constexpr Field integers(std::string_view key, double minimum, double maximum, std::string_view help) {
  return plain<std::vector<std::int64_t>, Path...>(key, FieldType::integers, {minimum, maximum}, nullptr, help);
}

/// An enumeration with the names of `List`.
template <const auto& List, auto... Path>
constexpr Field choice(std::string_view key, std::string_view help) {
  return {key,
          FieldType::text,
          {},
          [] { return row_names(List); },
          help,
          [](const Config& config) {
            const auto value = follow<Path...>(config);
            const auto row = std::ranges::find_if(List, [&](const auto& named) { return named.value == value; });
            return ConfigValue(std::string(row->name));
          },
          [](Config& config, const ConfigValue& value) {
            const auto& name = std::get<std::string>(value);
            const auto row = std::ranges::find_if(List, [&](const auto& named) { return named.name == name; });
            follow<Path...>(config) = row->value;
          }};
}

/// An enumeration whose names are those of a table of rows {name, value, ..}.
template <auto Registry, auto... Path>
constexpr Field registered_choice(std::string_view key, std::string_view help) {
  return {key,
          FieldType::text,
          {},
          registered<Registry>,
          help,
          [](const Config& config) {
            const auto rows = Registry();
            const auto row = std::ranges::find(rows, follow<Path...>(config), [](const auto& own) { return own.value; });
            return ConfigValue(std::string(row->name));
          },
          [](Config& config, const ConfigValue& value) {
            const auto rows = Registry();
            const auto& name = std::get<std::string>(value);
            follow<Path...>(config) = std::ranges::find(rows, name, [](const auto& own) { return own.name; })->value;
          }};
}

inline constexpr std::string_view kAutomatic[] = {"auto"};

/// An integer of which one value is written "auto".
template <std::int64_t Automatic, auto... Path>
constexpr Field automatic_at(std::string_view key, double minimum, double maximum, std::string_view help) {
  return {key,
          FieldType::integer_or_name,
          {minimum, maximum},
          names_of<kAutomatic>,
          help,
          [](const Config& config) {
            const std::int64_t value = follow<Path...>(config);
            return value == Automatic ? ConfigValue(std::string("auto")) : ConfigValue(value);
          },
          [](Config& config, const ConfigValue& value) {
            const auto* given = std::get_if<std::int64_t>(&value);
            follow<Path...>(config) = given ? *given : Automatic;
          }};
}

/// An integer whose 0 is written "auto".
template <auto... Path>
constexpr Field automatic(std::string_view key, double minimum, double maximum, std::string_view help) {
  return automatic_at<0, Path...>(key, minimum, maximum, help);
}

}  // namespace cosformer::schema
