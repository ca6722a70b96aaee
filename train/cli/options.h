#pragma once
/// \file
/// Flags of a verb: cxxopts with one-line errors, nearest names and the flags that several verbs share.

// `--set lr=[1,2]` is one value: lists are not split. Without <regex> a value may hold line breaks, and compiling is faster.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#define CXXOPTS_NO_REGEX true
#include <cxxopts.hpp>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/config/config.h"

namespace cosformer {

/// The command line of one verb.
///
///     CommandLine line("cosformer train", "Trains a model.");
///     line.positional("config", "CONFIG.toml", "the run's config");
///     line.options()("dry-run", "check everything and stop");
///     add_config_options(line);
///     const auto given = line.parse(argc, argv);
///     if (!given) return 0;
class CommandLine {
 public:
  CommandLine(std::string program, std::string description);

  /// `("name", "help", cxxopts::value<T>(), "ARGUMENT")`, as cxxopts has it.
  cxxopts::OptionAdder options() { return options_.add_options(); }
  /// The next argument without a flag. It must be given unless `required` is false.
  void positional(const std::string& name, const std::string& placeholder, const std::string& help, bool required = true);
  /// All further arguments without a flag; at least `minimum`.
  void positional_list(const std::string& name, const std::string& placeholder, const std::string& help,
                       std::size_t minimum);

  /// The flags and arguments; nothing if `--help` was asked for and printed. Throws InputError, one line, for unknown
  /// flags (with the nearest name), arguments too many or too few, and values of a wrong type.
  std::optional<cxxopts::ParseResult> parse(int argc, char** argv);

 private:
  struct Positional {
    std::string name;
    std::string placeholder;
    std::size_t minimum;
    bool list;
  };

  [[noreturn]] void fail(const std::string& message) const;
  std::string unknown_flag(const std::string& message) const;

  std::string program_;
  cxxopts::Options options_;
  std::vector<Positional> positionals_;
};

/// `--set key=value`, as often as one likes.
void add_set_option(CommandLine& line);
/// `--json`.
void add_json_option(CommandLine& line);
/// The positional CONFIG and `--set`.
void add_config_options(CommandLine& line);

/// The values of `--set`, in order.
std::vector<std::string> given_overrides(const cxxopts::ParseResult& given);
/// The config that CONFIG and `--set` describe. Throws InputError.
Config given_config(const cxxopts::ParseResult& given);

/// One line on standard output. Bytes that are no UTF-8, as paths may hold, are replaced.
void print_json(const nlohmann::ordered_json& json);

}  // namespace cosformer
