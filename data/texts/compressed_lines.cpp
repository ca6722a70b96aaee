#include "data/texts/compressed_lines.h"

#include <zlib.h>

#include <algorithm>
#include <system_error>

#include "core/error.h"
#include "data/lra/rows.h"

namespace cosformer {

namespace fs = std::filesystem;

namespace {

/// Text shrinks to a quarter or so; a file that unpacks to more than this is made to fill the memory.
constexpr std::uintmax_t kLargestRatio = 200;

}  // namespace

CompressedLines::CompressedLines(const fs::path& path, const char* content) : path_(path), file_(nullptr, gzclose) {
  std::error_code error;
  check<InputError>(fs::is_regular_file(path, error), path.string(), ": expected ", content);
  most_bytes_ = kLargestRatio * (fs::file_size(path, error) + kMaxRowBytes);
  file_.reset(gzopen(path.c_str(), "rb"));
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
  check<InputError>(bytes_ <= most_bytes_, path_.string(), ": unpacks to over ", kLargestRatio, " times its size");
  return count > 0;
}

}  // namespace cosformer
