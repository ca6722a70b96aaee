#include "train/exchange/foreign_config.h"

#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/strict_json.h"

namespace cosformer {

ForeignConfig::ForeignConfig(nlohmann::json json, std::string source) : json_(std::move(json)), source_(std::move(source)) {
  check<InputError>(json_.is_object(), source_, ": expected a JSON object of settings");
}

ForeignConfig ForeignConfig::read(const std::filesystem::path& path) { return {read_strict_json(path), path.string()}; }

const nlohmann::json* ForeignConfig::find(const char* key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

void ForeignConfig::refuse(const char* key, const std::string& expected) const {
  const nlohmann::json* value = find(key);
  throw InputError(concat(source_, ": ", key, ": expected ", expected, ", found ",
                          value == nullptr ? "nothing" : visible_start(value->dump())));
}

std::int64_t ForeignConfig::count(const char* key, std::optional<std::int64_t> fallback) const {
  return whole(key, 1, fallback);
}

std::int64_t ForeignConfig::id(const char* key, std::int64_t fallback) const { return whole(key, 0, fallback); }

std::int64_t ForeignConfig::whole(const char* key, std::int64_t least, std::optional<std::int64_t> fallback) const {
  constexpr std::int64_t kMost = std::int64_t{1} << 24;  // products of two and a little more fit 64 bits
  const nlohmann::json* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr || !value->is_number_integer() || *value < least || *value > kMost)
    refuse(key, concat("a whole number, ", least, " to ", kMost));
  return value->get<std::int64_t>();
}

double ForeignConfig::number(const char* key, double fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number()) refuse(key, "a number");
  return value->get<double>();
}

bool ForeignConfig::boolean(const char* key, bool fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->get<bool>();
}

std::string ForeignConfig::text(const char* key, const std::string& fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) refuse(key, "a text");
  return value->get<std::string>();
}

std::optional<ForeignConfig> ForeignConfig::object(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  return ForeignConfig(*value, concat(source_, ": ", key));
}

void ForeignConfig::require(const char* key, const nlohmann::json& value) const {
  const nlohmann::json* found = find(key);
  if (found != nullptr && *found != value) refuse(key, value.dump() + ", the only setting that models of this program have");
}

}  // namespace cosformer
