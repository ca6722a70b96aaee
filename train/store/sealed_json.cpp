#include "train/store/sealed_json.h"

#include <nlohmann/json.hpp>

#include "core/checksum.h"
#include "core/error.h"
#include "data/mapped_file.h"
#include "data/strict_json.h"

namespace cosformer {

namespace {

constexpr const char* kKey = "checksum";
constexpr std::size_t kDigits = 32;

}  // namespace

std::string seal(const nlohmann::ordered_json& content, int indent) {
  const std::string zeros(kDigits, '0');
  nlohmann::ordered_json sealed = {{kKey, zeros}};
  for (const auto& [key, value] : content.items()) sealed[key] = value;
  std::string text = sealed.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  const std::string checksum = checksum_hex(text);
  return text.replace(text.find(zeros), kDigits, checksum);
}

void check_seal(const nlohmann::json& content, std::string_view text, const std::string& where) {
  const bool has_one = content.is_object() && content.contains(kKey) && content[kKey].is_string();
  check<InputError>(has_one, where, ": the key ", kKey, " is missing");
  const auto digits = content[kKey].get<std::string>();
  const std::size_t position = digits.size() == kDigits ? text.find(digits) : std::string_view::npos;
  std::string unsealed(text);
  if (position != std::string_view::npos) unsealed.replace(position, kDigits, kDigits, '0');
  check<InputError>(position != std::string_view::npos && checksum_hex(unsealed) == digits, where,
                    ": the contents do not fit the checksum in it");
}

nlohmann::json read_sealed_json(const std::filesystem::path& path) {
  const MappedFile file(path);
  nlohmann::json content = parse_strict_json(file.bytes(), path.string());
  check_seal(content, file.bytes(), path.string());
  return content;
}

std::optional<std::string> seal_fault(const std::filesystem::path& path) {
  try {
    read_sealed_json(path);
    return {};
  } catch (const InputError& error) {
    return error.what();
  }
}

}  // namespace cosformer
