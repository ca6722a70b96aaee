#include "train/store/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/printable.h"

namespace cosformer {

namespace {

/// Back to the first column, and the rest of the line erased.
constexpr std::string_view kEraseLine = "\r\x1b[K";
/// The same for the line above.
constexpr std::string_view kEraseLineAbove = "\x1b[A\x1b[K";

/// The first `columns` code points of `line`.
std::string cut(std::string line, int columns) {
  for (std::size_t i = 0; i < line.size(); ++i)
    if ((static_cast<unsigned char>(line[i]) & 0xC0) != 0x80 && columns-- == 0) return line.substr(0, i);
  return line;
}

}  // namespace

TerminalFeatures terminal_features(int file_descriptor) {
  TerminalFeatures features;
  const char* const term = std::getenv("TERM");
  features.rewrites = isatty(file_descriptor) == 1 && term != nullptr && std::string_view(term) != "dumb";
  // Any value but the empty one counts (no-color.org).
  const char* const no_color = std::getenv("NO_COLOR");
  features.colors = features.rewrites && (no_color == nullptr || *no_color == '\0');
  winsize size{};
  if (features.rewrites && ioctl(file_descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) features.columns = size.ws_col;
  return features;
}

void Console::print(std::string_view label, Color color, std::string_view line) {
  const std::lock_guard lock(mutex_);
  erase_status();
  const bool colored = features_.colors && color != Color::plain;
  if (colored) stream_ << (color == Color::red ? "\x1b[31m" : "\x1b[33m");
  stream_ << label << (colored ? "\x1b[0m" : "") << visible_lines(line) << '\n';
  draw(status_);
}

void Console::set_status(std::string_view lines) {
  if (!features_.rewrites) return;
  const std::lock_guard lock(mutex_);
  erase_status();
  status_.clear();
  while (true) {
    const std::size_t end = lines.find('\n');
    // The last column stays free: a cursor beyond it would have moved to the next line.
    status_ += cut(visible(lines.substr(0, end)), features_.columns - 1);
    if (end == std::string_view::npos) break;
    status_ += '\n';
    lines.remove_prefix(end + 1);
  }
  draw(status_);
}

void Console::erase_status() {
  if (status_.empty()) return;
  stream_ << kEraseLine;
  for (auto line = std::ranges::count(status_, '\n'); line > 0; --line) stream_ << kEraseLineAbove;
}

void Console::clear_status() { set_status({}); }

void Console::draw(std::string_view line) { stream_ << line << std::flush; }

}  // namespace cosformer
