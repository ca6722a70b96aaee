#pragma once
/// \file
/// Rows of text files that came from elsewhere.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/labelled_sequences.h"

namespace cosformer {

/// Longest row of a text file: longer ones are refused.
inline constexpr std::size_t kMaxRowBytes = std::size_t{16} << 20;

/// Takes the first line off `rest`: without its LF or CRLF. Nothing at the end; what follows the last LF is a line unless
/// empty.
std::optional<std::string_view> next_line(std::string_view& rest);

/// All lines of a file's text, as `next_line` gives them. Throws InputError that begins with the path for a line over
/// `kMaxRowBytes`.
std::vector<std::string_view> split_lines(std::string_view text, const std::filesystem::path& path);

/// The parts of a row between the `separator`s: at least one, possibly empty.
std::vector<std::string_view> split_row(std::string_view row, char separator);

/// "PATH:ROW: ", rows counted from 1.
std::string at_row(const std::filesystem::path& path, std::int64_t row);

/// Names of the files that hold the parts of a data set.
struct PartNames {
  const char* train;
  const char* valid;
  const char* test;
};
/// The file (or folder) that holds a part: `path` itself if it is no folder, otherwise the one of that name inside it.
std::filesystem::path path_of_part(const std::filesystem::path& path, Split part, const PartNames& names);

}  // namespace cosformer
