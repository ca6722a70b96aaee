#include "data/texts/compressed_lines.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "data/lra/rows.h"
#include "data/regular_file.h"

namespace cosformer {

namespace fs = std::filesystem;

namespace {

/// Text shrinks to a quarter or so, and a line takes a byte or more; a file that unpacks to more than these times its size
/// is made to fill the memory. Small files may be all of one letter.
constexpr std::uintmax_t kLargestRatio = 200, kFreeBytes = std::uintmax_t{1} << 20, kFreeLines = std::uintmax_t{1} << 16;

}  // namespace

CompressedLines::CompressedLines(const fs::path& path, const char* content) : path_(path), file_(nullptr, gzclose) {
  std::error_code error;
  check<InputError>(fs::is_regular_file(path, error), path.string(), ": expected ", content);
  const RegularFile file(path);
  most_bytes_ = kLargestRatio * file.size() + kFreeBytes;
  most_lines_ = file.size() + kFreeLines;
  const int own = ::fcntl(file.descriptor(), F_DUPFD_CLOEXEC, 0);
  file_.reset(own < 0 ? nullptr : gzdopen(own, "rb"));
  if (file_ == nullptr && own >= 0) ::close(own);
  check<InputError>(file_ != nullptr, path.string(), ": cannot open the file");
}

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
  const int count = gzread(file_.get(), buffer_.data(), static_cast<unsigned>(buffer_.size()));
  int code = Z_OK;
  const char* what = gzerror(file_.get(), &code);
  check<InputError>(count >= 0 && (code == Z_OK || code == Z_STREAM_END), path_.string(),
                    ": cannot unpack the file: ", what);
  end_ = static_cast<std::size_t>(count);
  bytes_ += end_;
  check<InputError>(bytes_ <= most_bytes_, path_.string(), ": unpacks to over ", most_bytes_, " bytes, more than ",
                    kLargestRatio, " times its size");
  return count > 0;
}

}  // namespace cosformer
