#include "data/tokenizers/huggingface/json_part.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/printable.h"

namespace cosformer {

JsonPart::JsonPart(const nlohmann::json& json, std::string where) : json_(&json), where_(std::move(where)) {
  check<InputError>(json.is_object(), where_, ": expected an object, found ", visible_start(json.dump(-1, ' ', true)));
}

const nlohmann::json* JsonPart::find(std::string_view key) const {
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

void JsonPart::refuse(std::string_view key, const std::string& why) const {
  throw InputError(concat(where_, ".", key, ": ", why));
}

void JsonPart::refuse() const {
  throw InputError(concat(where_, ": this program has no ", printable(type()), " of a tokenizer"));
}

void JsonPart::allow(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : json_->items()) {
    if (key != "type" && !value.is_null() && std::ranges::find(keys, key) == keys.end())
      throw InputError(concat(where_, ": the setting ", printable(key), " is not known here"));
  }
}

bool JsonPart::boolean(std::string_view key, bool fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(key, "expected true or false");
  return value->get<bool>();
}

std::int64_t JsonPart::integer(std::string_view key, std::int64_t fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number_integer()) refuse(key, "expected a whole number");
  return value->get<std::int64_t>();
}

std::string JsonPart::text(std::string_view key, std::optional<std::string> fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr || !value->is_string()) refuse(key, "expected a text");
  return value->get<std::string>();
}

JsonPart JsonPart::part(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) refuse(key, "is missing");
  return {*value, concat(where_, ".", key)};
}

std::vector<JsonPart> JsonPart::parts(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr || !value->is_array()) refuse(key, "expected an array");
  std::vector<JsonPart> parts;
  for (std::size_t i = 0; i < value->size(); ++i) parts.emplace_back((*value)[i], concat(where_, ".", key, "[", i, "]"));
  return parts;
}

}  // namespace cosformer
