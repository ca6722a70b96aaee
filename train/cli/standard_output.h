#pragma once
/// \file
/// Standard output that a terminal cannot be attacked through.

#include <streambuf>
#include <string>
#include <string_view>

namespace cosformer {

/// A buffer for `std::cout` that makes what comes from outside visible (core/printable.h): tables and JSON hold names from
/// files. JSON keeps its meaning, for its strings know the same escapes. Line breaks and tabs stay.
class StandardOutput final : public std::streambuf {
 public:
  enum class Mode {
    visible,  ///< for tables, and for everything on a terminal
    as_is     ///< text for a file or a pipe
  };

  /// Writes to this descriptor, which must stay open.
  StandardOutput(int file, Mode mode) : file_(file), mode_(mode) {}
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;

  /// Writes everything, also a character that was begun and not ended. False if anything could not be written.
  bool finish();

 protected:
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* text, std::streamsize count) override;
  /// Keeps back the start of a character whose other bytes may yet come.
  int sync() override;

 private:
  bool write(std::string_view text);
  bool write_pending(bool to_the_end);

  int file_;
  Mode mode_;
  std::string pending_;
  bool failed_ = false;
};

}  // namespace cosformer
