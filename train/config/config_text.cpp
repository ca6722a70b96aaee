#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/strict_json.h"
#include "train/config/config_builder.h"
#include "train/config/schema.h"

namespace cosformer {

namespace {

std::pair<std::string, std::string> split_key(std::string_view key) {
  const std::size_t dot = key.find('.');
  return {std::string(key.substr(0, dot)), std::string(key.substr(dot + 1))};
}

TomlValue convert(const nlohmann::json& json, const std::string& source) {
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      return {json.get<bool>(), {}};
    case nlohmann::json::value_t::number_integer:
      return {json.get<std::int64_t>(), {}};
    case nlohmann::json::value_t::number_unsigned:
      check<InputError>(json.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX),
                        error_at(source, {}, "an integer beyond 64 bits"));
      return {json.get<std::int64_t>(), {}};
    case nlohmann::json::value_t::number_float:
      return {json.get<double>(), {}};
    case nlohmann::json::value_t::string:
      return {json.get<std::string>(), {}};
    case nlohmann::json::value_t::array: {
      TomlArray array;
      for (const nlohmann::json& element : json) array.push_back(convert(element, source));
      return {std::move(array), {}};
    }
    case nlohmann::json::value_t::object: {
      TomlTable table;
      for (const auto& [key, value] : json.items()) table.push_back({key, {}, convert(value, source)});
      return {std::move(table), {}};
    }
    default:
      throw InputError(error_at(source, {}, "null has no use here"));
  }
}

}  // namespace

std::string to_toml(const Config& config) {
  std::string text, table;
  for (const Field& field : config_fields()) {
    const auto [table_name, name] = split_key(field.key);
    if (table_name != table) {
      text += concat(text.empty() ? "" : "\n", "[", table_name, "]\n");
      table = table_name;
    }
    text += concat(name, " = ", format_value(field.get(config)), "\n");
  }
  return text;
}

std::string to_json(const Config& config) {
  nlohmann::ordered_json json;
  for (const Field& field : config_fields()) {
    const auto [table, name] = split_key(field.key);
    std::visit([&, &table = table, &name = name](const auto& value) { json[table][name] = value; }, field.get(config));
  }
  return json.dump();
}

Config config_from_json(std::string_view json, std::span<const std::string> overrides, const std::string& source) {
  const nlohmann::json parsed = parse_strict_json(json, source);
  check<InputError>(parsed.is_object(), error_at(source, {}, "expected a JSON object of tables"));
  ConfigBuilder builder;
  builder.add_table(std::get<TomlTable>(convert(parsed, source).data), source);
  for (const std::string& assignment : overrides) builder.add_override(assignment);
  return builder.finish();
}

std::vector<ConfigDifference> differences(const Config& first, const Config& second) {
  std::vector<ConfigDifference> found;
  for (const Field& field : config_fields()) {
    std::string a = format_value(field.get(first)), b = format_value(field.get(second));
    if (a != b) found.push_back({std::string(field.key), std::move(a), std::move(b)});
  }
  return found;
}

}  // namespace cosformer
