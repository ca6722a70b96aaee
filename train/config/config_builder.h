#pragma once
/// \file
/// Puts a config together from files, JSON and overrides, and remembers where each value came from.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/option_problem.h"
#include "train/config/config.h"
#include "train/config/toml.h"

namespace cosformer {

class ConfigBuilder {
 public:
  /// The file and all that it extends, those first. Throws InputError.
  void add_file(const std::filesystem::path& path);
  /// Tables of keys that `source` holds. Throws InputError.
  void add_table(const TomlTable& table, const std::string& source);
  /// "key=value". Throws InputError.
  void add_override(const std::string& assignment);

  /// Checks how the values fit together. Throws InputError with the place of the key at fault. A setting of attention
  /// between two texts that every config of an earlier build has is left out of models without such attention.
  const Config& finish();

  /// "file:line:column", "--set" or "default".
  std::string origin(std::string_view key) const;

 private:
  struct Origin {
    std::string source;
    TomlPosition position;
  };

  void set(const std::string& key, const TomlValue& value, const Origin& key_origin);

  Config config_;
  std::map<std::string, Origin, std::less<>> origins_;
  std::vector<std::filesystem::path> open_files_;  ///< from the first file to the one being read
  int files_read_ = 0;
};

/// What does not fit together in a config; nothing if all does.
std::optional<OptionProblem> find_problem(const Config& config);

}  // namespace cosformer
