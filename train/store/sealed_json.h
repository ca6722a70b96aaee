#pragma once
/// \file
/// JSON files that carry a checksum of themselves: a damaged one is noticed before a number in it is believed.

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cosformer {

/// The text of `content`, an object, with the key "checksum" before all others: XXH3-128 of that text with the checksum's
/// digits set to zero. Bytes that are not UTF-8 are replaced.
std::string seal(const nlohmann::ordered_json& content, int indent);

/// Throws InputError, one line that begins with `where`, if `content`, parsed from `text`, has no checksum or another one
/// than the text.
void check_seal(const nlohmann::json& content, std::string_view text, const std::string& where);

/// Reads a file that holds what `seal` has made. Throws InputError that begins with the path.
nlohmann::json read_sealed_json(const std::filesystem::path& path);

/// Why `read_sealed_json` refuses a file; nothing if it reads it.
std::optional<std::string> seal_fault(const std::filesystem::path& path);

}  // namespace cosformer
