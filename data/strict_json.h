#pragma once
/// \file
/// JSON from files that may be hostile.

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace cosformer {

/// Limits of `parse_strict_json`.
inline constexpr int kMaxJsonDepth = 16;
inline constexpr std::size_t kMaxJsonBytes = std::size_t{64} << 20;

/// Parses one JSON document. Unlike the library's default it rejects an object that holds a key twice, arrays and
/// objects nested deeper than `kMaxJsonDepth` and texts over `kMaxJsonBytes`. Throws InputError that begins with
/// `source` (a path) and names line and column or the key.
nlohmann::json parse_strict_json(std::string_view text, std::string_view source);

/// `parse_strict_json` of a file.
nlohmann::json read_strict_json(const std::filesystem::path& path);

}  // namespace cosformer
