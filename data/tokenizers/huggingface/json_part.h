#pragma once
/// \file
/// One component of a tokenizer.json, read key by key.

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cosformer {

/// A JSON object with a "type". All functions throw InputError, one line with the file and the path of keys, for a value of
/// another type. A key that is null counts as absent.
class JsonPart {
 public:
  /// `where` is the file and the keys that lead to the object. Throws InputError unless `json` is an object.
  JsonPart(const nlohmann::json& json, std::string where);

  /// The component's name. Throws InputError if it has none.
  std::string type() const { return text("type"); }
  /// Throws InputError for a key that is not among these: what it asks for would be ignored.
  void allow(std::initializer_list<std::string_view> keys) const;
  /// Throws InputError that names the component: this program has nothing of the kind.
  [[noreturn]] void refuse() const;
  /// Throws InputError that begins with the key.
  [[noreturn]] void refuse(std::string_view key, const std::string& why) const;

  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool boolean(std::string_view key, bool fallback) const;
  std::int64_t integer(std::string_view key, std::int64_t fallback) const;
  std::string text(std::string_view key, std::optional<std::string> fallback = std::nullopt) const;
  /// The component of a key. Throws InputError if it is absent.
  JsonPart part(std::string_view key) const;
  /// The components of an array.
  std::vector<JsonPart> parts(std::string_view key) const;
  /// Any value; null if it is absent.
  const nlohmann::json* find(std::string_view key) const;

  const std::string& where() const { return where_; }

 private:
  const nlohmann::json* json_;
  std::string where_;
};

}  // namespace cosformer
