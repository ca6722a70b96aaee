#include "data/lra/pathfinder_rows.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "data/lra/rows.h"
#include "data/mapped_file.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFields = 11;

/// The metadata files in the order of their numbers.
std::vector<fs::path> metadata_files(const fs::path& folder) {
  std::vector<std::pair<std::uint64_t, fs::path>> numbered;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string stem = it->path().stem().string();
    std::uint64_t number = 0;
    const auto [stop, failure] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
    if (it->path().extension() == ".npy" && failure == std::errc() && stop == stem.data() + stem.size()) {
      numbered.emplace_back(number, it->path());
    }
  }
  check<InputError>(!error, folder.string(), ": cannot list the folder: ", error.message());
  check<InputError>(!numbered.empty(), folder.string(), ": expected files 0.npy, 1.npy … of plain text");
  std::ranges::sort(numbered);
  std::vector<fs::path> files;
  for (auto& [number, file] : numbered) files.push_back(std::move(file));
  return files;
}

/// A relative path that does not leave its folder.
bool stays_inside(const fs::path& path) {
  return !path.empty() && path.is_relative() &&
         std::ranges::none_of(path, [](const fs::path& name) { return name == ".."; });
}

PathfinderRow parse_row(std::string_view line, const fs::path& file, std::int64_t number) {
  check<InputError>(!line.starts_with("\x93NUMPY"), file.string(), ": a NumPy array, expected plain text as in the release");
  const std::vector<std::string_view> fields = split_row(line, ' ');
  check<InputError>(fields.size() == kFields, at_row(file, number), "expected ", kFields, " fields parted by blanks, found ",
                    fields.size());
  check<InputError>(fields[3] == "0" || fields[3] == "1", at_row(file, number),
                    "expected the label 0 or 1 in the fourth field, found ", printable(fields[3]));
  // A NUL would end the name early for the system.
  const std::string picture = concat(fields[0], '/', fields[1]);
  check<InputError>(stays_inside(fs::path(picture)) && picture.find('\0') == std::string::npos, at_row(file, number),
                    "a picture outside the folder: ", printable(picture));
  return {.picture = picture, .label = static_cast<std::uint8_t>(fields[3][0] - '0'), .row = number};
}

/// Size of each picture in bytes; nothing if there is no such file.
std::vector<std::optional<std::uintmax_t>> picture_sizes(const fs::path& folder, const std::vector<PathfinderRow>& rows) {
  std::vector<std::optional<std::uintmax_t>> sizes(rows.size());
  parallel_ranges(static_cast<std::int64_t>(rows.size()), 256, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      std::error_code error;
      const std::uintmax_t size = fs::file_size(folder / rows[i].picture, error);
      if (!error) sizes[i] = size;
    }
  });
  return sizes;
}

}  // namespace

std::string PathfinderPart::origin(const PathfinderRow& row) const { return at_row(metadata[row.metadata], row.row); }

PathfinderPart read_pathfinder_rows(const fs::path& folder, Split part) {
  PathfinderPart read{.metadata = metadata_files(folder / "metadata"), .rows = {}};
  std::vector<PathfinderRow> all;
  for (std::size_t i = 0; i < read.metadata.size(); ++i) {
    const MappedFile file(read.metadata[i]);
    std::int64_t number = 0;
    for (const std::string_view line : split_lines(file.bytes(), read.metadata[i])) {
      all.push_back(parse_row(line, read.metadata[i], ++number));
      all.back().metadata = i;
    }
  }
  const auto sizes = picture_sizes(folder, all);
  std::size_t usable = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    check<InputError>(sizes[i].has_value(), read.origin(all[i]),
                      "no such picture: ", printable((folder / all[i].picture).string()));
    all[i].bytes = *sizes[i];
    if (all[i].bytes > 0) ++usable;
  }
  const std::size_t train_end = usable * 8 / 10, valid_end = usable * 9 / 10;
  std::size_t begin = 0, end = train_end;
  if (part == Split::valid) std::tie(begin, end) = std::pair{train_end, valid_end};
  if (part == Split::test) std::tie(begin, end) = std::pair{valid_end, usable};
  check<InputError>(begin < end, folder.string(), ": ", usable, " pictures leave none for this part");
  std::size_t place = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_last = end == usable && place == usable;
    const bool is_here = place >= begin && (place < end || is_last);
    if (all[i].bytes == 0) {
      if (is_here) ++read.skipped;
      continue;
    }
    if (is_here) read.rows.push_back(std::move(all[i]));
    ++place;
  }
  return read;
}

}  // namespace cosformer
