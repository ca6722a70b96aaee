#pragma once
/// \file
/// The config.json of another program's model, read value by value.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace cosformer {

/// A JSON object of settings. A key that is null counts as absent. All functions throw InputError, one line with the file
/// and the key, for a value of another type.
class ForeignConfig {
 public:
  /// `source` is the file's name for messages. Throws InputError unless `json` is an object.
  ForeignConfig(nlohmann::json json, std::string source);

  /// Reads the file. Throws InputError.
  static ForeignConfig read(const std::filesystem::path& path);

  /// A whole number of 1 to 2^24; `fallback` if the key is absent and there is a fallback, else InputError.
  std::int64_t count(const char* key, std::optional<std::int64_t> fallback = std::nullopt) const;
  /// The same of 0 to 2^24.
  std::int64_t id(const char* key, std::int64_t fallback) const;
  double number(const char* key, double fallback) const;
  bool boolean(const char* key, bool fallback) const;
  std::string text(const char* key, const std::string& fallback) const;
  /// The object of a key, whose messages name both; nothing if it is absent.
  std::optional<ForeignConfig> object(const char* key) const;

  /// Throws InputError unless the key is absent or has this value: this program's models have nothing else.
  void require(const char* key, const nlohmann::json& value) const;

  const std::string& source() const { return source_; }

 private:
  /// Null if the key is absent.
  const nlohmann::json* find(const char* key) const;
  std::int64_t whole(const char* key, std::int64_t least, std::optional<std::int64_t> fallback) const;
  [[noreturn]] void refuse(const char* key, const std::string& expected) const;

  nlohmann::json json_;
  std::string source_;
};

}  // namespace cosformer
