#include "data/lra/rows.h"

#include <array>
#include <system_error>

#include "core/error.h"

namespace cosformer {

std::optional<std::string_view> next_line(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const std::size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::vector<std::string_view> split_lines(std::string_view text, const std::filesystem::path& path) {
  std::vector<std::string_view> lines;
  while (const auto line = next_line(text)) {
    lines.push_back(*line);
    check<InputError>(line->size() <= kMaxRowBytes, at_row(path, static_cast<std::int64_t>(lines.size())), "a row of ",
                      line->size(), " bytes, expected at most ", kMaxRowBytes);
  }
  return lines;
}

std::vector<std::string_view> split_row(std::string_view row, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end; (end = row.find(separator)) != std::string_view::npos; row.remove_prefix(end + 1)) {
    parts.push_back(row.substr(0, end));
  }
  parts.push_back(row);
  return parts;
}

std::string at_row(const std::filesystem::path& path, std::int64_t row) { return concat(path.string(), ":", row, ": "); }

std::filesystem::path path_of_part(const std::filesystem::path& path, Split part, const PartNames& names) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return path;
  const std::array<const char*, 3> by_part{names.train, names.valid, names.test};
  return path / by_part[static_cast<std::size_t>(part)];
}

}  // namespace cosformer
