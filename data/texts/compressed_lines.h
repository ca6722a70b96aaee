#pragma once
/// \file
/// The lines of a text file that may be compressed.

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "data/corpus/byte_source.h"

namespace cosformer {

/// Reads what a ByteSource unpacks line by line: a line of over `kMaxRowBytes` is refused, and so is a file with over a line
/// per byte and 65,536.
class CompressedLines {
 public:
  /// `content` says what was expected if there is no file ("a file of reviews"). Throws InputError with the path.
  CompressedLines(const std::filesystem::path& path, const char* content);

  /// The next line without its LF or CRLF, valid until the next call; nothing at the end of the file. Throws InputError.
  std::optional<std::string_view> next();
  /// Of the line that `next` gave last, from 1.
  std::int64_t number() const { return number_; }

 private:
  bool fill();

  std::filesystem::path path_;
  ByteSource source_;
  std::array<char, 1 << 16> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uintmax_t most_lines_ = 0;
  std::string line_;
  std::int64_t number_ = 0;
};

}  // namespace cosformer
