#include "train/experiments/sweep/sweep_file_reader.h"

#include <algorithm>

#include "core/nearest_name.h"
#include "core/printable.h"
#include "train/config/schema.h"

namespace cosformer {

void SweepFileReader::fail(TomlPosition position, const std::string& message) const {
  throw InputError(error_at(source_, position, message));
}

void SweepFileReader::check_keys(const TomlTable& table, std::initializer_list<std::string_view> known) const {
  for (const TomlEntry& entry : table) {
    if (std::ranges::find(known, entry.key) != known.end()) continue;
    const std::vector<std::string_view> names(known);
    fail(entry.position, concat("unknown key '", visible_start(entry.key), "'", name_hint(entry.key, names)));
  }
}

const TomlValue* SweepFileReader::find(const TomlTable& table, std::string_view key) {
  const auto found = std::ranges::find(table, key, &TomlEntry::key);
  return found == table.end() ? nullptr : &found->value;
}

std::string SweepFileReader::text(const TomlTable& table, std::string_view key, const std::string& otherwise) const {
  const TomlValue* value = find(table, key);
  if (!value) return otherwise;
  const auto& text = as<std::string>(*value, key, "a string");
  const bool is_line = std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (!is_line) fail(value->position, concat(key, " must be one line without control characters"));
  return text;
}

std::string SweepFileReader::required_text(const TomlTable& table, std::string_view key, TomlPosition table_position) const {
  if (!find(table, key)) fail(table_position, concat("expected the key '", key, "'"));
  std::string value = text(table, key, "");
  if (value.empty()) fail(find(table, key)->position, concat(key, " must not be empty"));
  return value;
}

TomlTable SweepFileReader::table(const TomlTable& parent, std::string_view key) const {
  const TomlValue* value = find(parent, key);
  return value ? as<TomlTable>(*value, key, "a table") : TomlTable();
}

std::vector<SweepFileReader::Item> SweepFileReader::tables(const TomlTable& parent, std::string_view key) const {
  std::vector<Item> items;
  const TomlValue* value = find(parent, key);
  if (!value) return items;
  for (const TomlValue& element : as<TomlArray>(*value, key, "an array of tables")) {
    items.push_back({as<TomlTable>(element, key, "an array of tables"), element.position});
  }
  return items;
}

SweepSetting SweepFileReader::setting(const std::string& key, TomlPosition key_position, const TomlValue& value) const {
  const Field* field = find_field(key);
  if (!field) fail(key_position, concat("unknown config key '", visible_start(key), "'", unknown_key_hint(key)));
  if (key == "train.seed") fail(key_position, "train.seed is what the key seeds of a sweep is for");
  if (key == "train.init_from") fail(key_position, "train.init_from is what init_from of a stage is for");
  Config scratch;
  if (const auto problem = assign(scratch, *field, value)) fail(value.position, *problem);
  const ConfigValue taken = field->get(scratch);
  const auto* text = std::get_if<std::string>(&taken);
  return {key, format_value(taken), text ? *text : format_value(taken)};
}

std::vector<SweepSetting> SweepFileReader::settings(const TomlTable& table) const {
  std::vector<SweepSetting> all;
  for_each_key(table, "", [&](const std::string& key, const TomlEntry& entry) {
    if (std::ranges::find(all, key, &SweepSetting::key) != all.end()) fail(entry.position, concat(key, " is set twice"));
    all.push_back(setting(key, entry.position, entry.value));
  });
  return all;
}

std::vector<SweepChoice> SweepFileReader::axis(const std::string& key, const TomlEntry& entry) const {
  const auto& values = as<TomlArray>(entry.value, key, "an array of the values to take");
  if (values.empty()) fail(entry.value.position, concat(key, " must have at least one value"));
  std::vector<SweepChoice> choices;
  for (const TomlValue& value : values) choices.push_back({"", {setting(key, entry.position, value)}});
  return choices;
}

}  // namespace cosformer
