#pragma once
/// \file
/// Values of a sweep file, with errors that say where they stand. Internal to sweep_file.cpp.

#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"
#include "train/config/toml.h"
#include "train/experiments/sweep/sweep_file.h"

namespace cosformer {

/// Reads values of one file; every problem is an InputError with its place.
class SweepFileReader {
 public:
  /// `source` stands for the file in messages.
  explicit SweepFileReader(std::string source) : source_(std::move(source)) {}

  const std::string& source() const { return source_; }

  [[noreturn]] void fail(TomlPosition position, const std::string& message) const;
  /// Refuses keys of `table` that are not in `known`.
  void check_keys(const TomlTable& table, std::initializer_list<std::string_view> known) const;

  /// Null if the key is missing.
  static const TomlValue* find(const TomlTable& table, std::string_view key);
  /// `what` stands for the value in messages.
  template <class T>
  const T& as(const TomlValue& value, std::string_view what, const char* expected) const {
    const T* data = std::get_if<T>(&value.data);
    if (!data) fail(value.position, concat(what, " must be ", expected, ", not ", describe(value)));
    return *data;
  }
  /// One line of text; `otherwise` if the key is missing.
  std::string text(const TomlTable& table, std::string_view key, const std::string& otherwise) const;
  std::string required_text(const TomlTable& table, std::string_view key, TomlPosition table_position) const;
  /// Empty if the key is missing.
  TomlTable table(const TomlTable& parent, std::string_view key) const;

  /// The tables of [[key]].
  struct Item {
    TomlTable table;
    TomlPosition position;
  };
  std::vector<Item> tables(const TomlTable& parent, std::string_view key) const;

  /// Calls visit(full key, its entry) for each config key, written "attention.kind" or as nested tables.
  template <class Visit>
  void for_each_key(const TomlTable& table, const std::string& prefix, const Visit& visit) const {
    for (const TomlEntry& entry : table) {
      const std::string key = prefix.empty() ? entry.key : concat(prefix, ".", entry.key);
      if (const auto* inner = std::get_if<TomlTable>(&entry.value.data)) {
        for_each_key(*inner, key, visit);
      } else {
        visit(key, entry);
      }
    }
  }

  /// A config key with a value that the schema takes.
  SweepSetting setting(const std::string& key, TomlPosition key_position, const TomlValue& value) const;
  std::vector<SweepSetting> settings(const TomlTable& table) const;
  /// One choice for each element of an array of values.
  std::vector<SweepChoice> axis(const std::string& key, const TomlEntry& entry) const;

 private:
  std::string source_;
};

}  // namespace cosformer
