#include "data/texts/compressed_lines.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "data/lra/rows.h"

namespace cosformer {

namespace fs = std::filesystem;

namespace {

/// A line takes a byte or more; a small file may be all of one letter.
constexpr std::uintmax_t kFreeLines = std::uintmax_t{1} << 16;

/// The path of a regular file. Throws InputError.
const fs::path& checked(const fs::path& path, const char* content) {
  std::error_code error;
  check<InputError>(fs::is_regular_file(path, error), path.string(), ": expected ", content);
  return path;
}

}  // namespace

CompressedLines::CompressedLines(const fs::path& path, const char* content)
    : path_(checked(path, content)), source_(path), most_lines_(fs::file_size(path) + kFreeLines) {}

std::optional<std::string_view> CompressedLines::next() {
  line_.clear();
  bool any = false;
  while (begin_ < end_ || fill()) {
    any = true;
    const auto* found = std::find(buffer_.data() + begin_, buffer_.data() + end_, '\n');
    const auto stop = static_cast<std::size_t>(found - buffer_.data());
    line_.append(buffer_.data() + begin_, stop - begin_);
    begin_ = std::min(stop + 1, end_);
    check<InputError>(line_.size() <= kMaxRowBytes, at_row(path_, number_ + 1), "a row of over ", kMaxRowBytes, " bytes");
    if (stop < end_) break;
  }
  if (!any) return std::nullopt;
  ++number_;
  check<InputError>(std::cmp_less_equal(number_, most_lines_), path_.string(), ": unpacks to over ", most_lines_,
                    " lines, more than its bytes can hold");
  if (line_.ends_with('\r')) line_.pop_back();
  return line_;
}

bool CompressedLines::fill() {
  begin_ = 0;
  end_ = source_.read(buffer_);
  return end_ > 0;
}

}  // namespace cosformer
