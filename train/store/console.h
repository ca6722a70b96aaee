#pragma once
/// \file
/// Standard error as people see it: lines, and below them a status that is written again and again.

#include <cstdint>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>

namespace cosformer {

/// What the stream can show.
struct TerminalFeatures {
  bool rewrites = false;  ///< a line can be replaced: the stream is a terminal
  bool colors = false;    ///< a terminal, and the environment has no NO_COLOR
  int columns = 80;
};

/// Features of the file with this descriptor, from the system and the environment (NO_COLOR, TERM).
TerminalFeatures terminal_features(int file_descriptor);

enum class Color : std::uint8_t { plain, red, yellow };

/// Thread-safe. The stream must outlive it.
class Console {
 public:
  Console(std::ostream& stream, TerminalFeatures features) : stream_(stream), features_(features) {}
  ~Console() { clear_status(); }
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  const TerminalFeatures& features() const { return features_; }

  /// Writes a line, or several, above the status line where one is shown. Control characters are made visible, for parts of
  /// it come from outside (core/printable.h).
  void print(std::string_view line) { print({}, Color::plain, line); }
  /// The same behind a label, which has that colour if the terminal has colours.
  void print(std::string_view label, Color color, std::string_view line);
  /// Replaces the status: one line or several, each cut to the width of the terminal; nothing if lines cannot be
  /// replaced.
  void set_status(std::string_view lines);
  void clear_status();

 private:
  void draw(std::string_view line);
  void erase_status();

  std::ostream& stream_;
  const TerminalFeatures features_;
  std::mutex mutex_;
  std::string status_;
};

}  // namespace cosformer
