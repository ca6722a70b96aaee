#include "train/cli/options.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/nearest_name.h"

namespace cosformer {

namespace {

/// cxxopts quotes with typographic marks.
std::string plain_quotes(std::string text) {
  for (const std::string_view mark : {"‘", "’"})
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark)) text.replace(at, mark.size(), "'");
  return text;
}

}  // namespace

CommandLine::CommandLine(std::string program, std::string description)
    : program_(std::move(program)), options_(program_, std::move(description)) {
  options_.set_width(110);
  options_.add_options()("h,help", "print this text");
}

void CommandLine::positional(const std::string& name, const std::string& placeholder, const std::string& help,
                             bool required) {
  options_.add_options("arguments")(name, help, cxxopts::value<std::string>(), placeholder);
  positionals_.push_back({name, placeholder, required ? std::size_t{1} : 0, false});
}

void CommandLine::positional_list(const std::string& name, const std::string& placeholder, const std::string& help,
                                  std::size_t minimum) {
  options_.add_options("arguments")(name, help, cxxopts::value<std::vector<std::string>>(), placeholder);
  positionals_.push_back({name, placeholder, minimum, true});
}

std::optional<cxxopts::ParseResult> CommandLine::parse(int argc, char** argv) {
  std::vector<std::string> names;
  std::string placeholders;
  for (const Positional& positional : positionals_) {
    names.push_back(positional.name);
    const std::string text = positional.placeholder + (positional.list ? "…" : "");
    placeholders += positional.minimum > 0 ? text + " " : "[" + text + "] ";
  }
  options_.parse_positional(names);
  options_.positional_help(placeholders);
  try {
    cxxopts::ParseResult given = options_.parse(argc, argv);
    if (given.count("help") > 0) {
      std::cout << options_.help({""});
      return std::nullopt;
    }
    for (const Positional& positional : positionals_)
      if (given.count(positional.name) < positional.minimum)
        fail(concat("expected ", positional.placeholder, positional.minimum > 1 ? concat(" ×", positional.minimum) : ""));
    if (!given.unmatched().empty() && given.count("set") > 0) {
      // `--set key value`: what is left over is the value.
      const auto assignments = given["set"].as<std::vector<std::string>>();
      const auto bare =
          std::ranges::find_if(assignments, [](const auto& set) { return set.find('=') == std::string::npos; });
      if (bare != assignments.end()) fail(concat("--set ", *bare, ": expected key=value"));
    }
    if (!given.unmatched().empty()) fail(concat("unexpected argument '", given.unmatched().front(), "'"));
    return given;
  } catch (const cxxopts::exceptions::no_such_option& error) {
    fail(unknown_flag(plain_quotes(error.what())));
  } catch (const cxxopts::exceptions::exception& error) {
    fail(plain_quotes(error.what()));
  }
}

void CommandLine::fail(const std::string& message) const {
  throw InputError(concat(program_, ": error: ", message, "; see ", program_, " --help"));
}

/// `message` holds the flag's name in quotes.
std::string CommandLine::unknown_flag(const std::string& message) const {
  const std::size_t begin = message.find('\'') + 1;
  const std::string name = message.substr(begin, message.rfind('\'') - begin);
  std::vector<std::string> flags;
  for (const auto& detail : options_.group_help("").options)
    for (const std::string& flag : detail.l) flags.push_back(flag);
  const std::vector<std::string_view> candidates(flags.begin(), flags.end());
  const auto nearest = nearest_name(name, candidates);
  return concat("unknown flag '", name.size() == 1 ? "-" : "--", name, "'",
                nearest ? concat("; did you mean \"--", *nearest, "\"?") : "");
}

void add_set_option(CommandLine& line) {
  line.options()("set", "set a key of the config, as in --set model.num_layers=6 (repeatable)",
                 cxxopts::value<std::vector<std::string>>(), "KEY=VALUE");
}

void add_json_option(CommandLine& line) { line.options()("json", "print JSON on standard output"); }

void add_config_options(CommandLine& line) {
  line.positional("config", "CONFIG.toml", "the config file");
  add_set_option(line);
}

std::vector<std::string> given_overrides(const cxxopts::ParseResult& given) {
  return given.count("set") > 0 ? given["set"].as<std::vector<std::string>>() : std::vector<std::string>{};
}

Config given_config(const cxxopts::ParseResult& given) {
  return load_config(given["config"].as<std::string>(), given_overrides(given));
}

void print_json(const nlohmann::ordered_json& json) {
  std::cout << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

}  // namespace cosformer
