#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/printable.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/config/config_builder.h"
#include "train/config/schema.h"

namespace cosformer {

namespace {

nlohmann::ordered_json to_json(const Field& field) {
  nlohmann::ordered_json json = {{"key", field.key}};
  std::visit([&](const auto& value) { json["default"] = value; }, field.get(Config()));
  json["values"] = allowed_values(field);
  json["help"] = field.help;
  return json;
}

void print_field(const Field& field) {
  std::cout << field.key << "\n  " << field.help << "\n  values   " << allowed_values(field) << "\n  default  "
            << format_value(field.get(Config())) << '\n';
}

int list(int argc, char** argv) {
  CommandLine line("cosformer config list", "Lists all keys with their defaults.");
  line.options()("markdown", "print docs/config.md");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  if (given->count("markdown") > 0) {
    std::cout << config_reference();
  } else if (given->count("json") > 0) {
    nlohmann::ordered_json keys;
    for (const Field& field : config_fields()) keys.push_back(to_json(field));
    std::cout << keys.dump(2) << '\n';
  } else {
    for (const Field& field : config_fields())
      std::cout << field.key << " = " << format_value(field.get(Config())) << "  # " << field.help << '\n';
  }
  return 0;
}

int explain(int argc, char** argv) {
  CommandLine line("cosformer config explain", "Says what a key, or each key of a table, is for and what it takes.");
  line.positional("key", "KEY", "such as model.num_layers, or model");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const std::string key = (*given)["key"].as<std::string>();
  nlohmann::ordered_json explained = nlohmann::ordered_json::array();
  for (const Field& field : config_fields()) {
    if (field.key != key && !field.key.starts_with(key + ".")) continue;
    explained.push_back(to_json(field));
    if (given->count("json") == 0) print_field(field);
  }
  check<InputError>(!explained.empty(), "unknown key '", visible_start(key), "'", unknown_key_hint(key));
  if (given->count("json") > 0) std::cout << explained.dump(2) << '\n';
  return 0;
}

/// The config file that an argument means: itself, or that of a run's folder. Throws InputError.
std::filesystem::path config_of(const std::string& argument) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(argument, ignored)) return argument;
  const std::filesystem::path file = std::filesystem::path(argument) / "config.toml";
  check<InputError>(std::filesystem::exists(file, ignored), argument,
                    ": expected a config or the folder of a run, which has a ", file.filename().string());
  return file;
}

int show(int argc, char** argv) {
  CommandLine line("cosformer config show", "Prints a config with all its values, as TOML with the origin of each value.");
  line.positional("config", "CONFIG.toml|RUN", "a config, or a run's folder");
  add_set_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  ConfigBuilder builder;
  builder.add_file(config_of((*given)["config"].as<std::string>()));
  for (const std::string& assignment : given_overrides(*given)) builder.add_override(assignment);
  const Config& config = builder.finish();
  if (given->count("json") > 0) {
    std::cout << to_json(config) << '\n';
    return 0;
  }
  std::string_view table;
  for (const Field& field : config_fields()) {
    const std::string_view field_table = field.key.substr(0, field.key.find('.'));
    if (field_table != table) std::cout << (table.empty() ? "" : "\n") << '[' << field_table << "]\n";
    table = field_table;
    std::cout << field.key.substr(table.size() + 1) << " = " << format_value(field.get(config)) << "  # "
              << builder.origin(field.key) << '\n';
  }
  return 0;
}

int diff(int argc, char** argv) {
  CommandLine line("cosformer config diff", "Prints the keys whose values differ between two configs.");
  line.positional("first", "FIRST.toml|RUN", "a config, or a run's folder");
  line.positional("second", "SECOND.toml|RUN", "another");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const auto found = differences(load_config(config_of((*given)["first"].as<std::string>())),
                                 load_config(config_of((*given)["second"].as<std::string>())));
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ConfigDifference& difference : found) {
    json.push_back({{"key", difference.key}, {"first", difference.first}, {"second", difference.second}});
    if (given->count("json") == 0)
      std::cout << difference.key << ": " << difference.first << " -> " << difference.second << '\n';
  }
  if (given->count("json") > 0) std::cout << json.dump(2) << '\n';
  return 0;
}

constexpr Verb kVerbs[] = {
    {"list", "all keys with their defaults", list},
    {"explain", "what a key is for and what it takes", explain},
    {"show", "all values of a config and where they come from", show},
    {"diff", "the keys in which two configs differ", diff},
};

}  // namespace

int run_config_verb(int argc, char** argv) {
  return run_verb("cosformer config", "Keys of configs, and configs themselves.", kVerbs, argc, argv);
}

}  // namespace cosformer
