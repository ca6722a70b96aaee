#include "train/cli/standard_output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "core/printable.h"

namespace cosformer {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16;
constexpr std::size_t kLongestCharacter = 4;

/// Bytes at the end of `text` that may be the start of a character (or of a line break, "\r\n") whose rest is to come.
std::size_t unfinished_bytes(std::string_view text) {
  if (text.ends_with('\r')) return 1;
  for (std::size_t count = 1; count < kLongestCharacter && count <= text.size(); ++count) {
    const auto lead = static_cast<unsigned char>(text[text.size() - count]);
    if (lead < 0x80) return 0;
    if (lead < 0xC0) continue;
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return count < length ? count : 0;
  }
  return 0;
}

/// As `visible_lines`, and line breaks of other systems stay too.
std::string visible_text(std::string_view text) {
  std::string shown;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find("\r\n", begin);
    shown += visible_lines(text.substr(begin, end - begin));
    if (end == std::string_view::npos) break;
    shown += "\r\n";
    begin = end + 2;
  }
  return shown;
}

}  // namespace

bool StandardOutput::finish() { return write_pending(true); }

StandardOutput::int_type StandardOutput::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  const char byte = traits_type::to_char_type(c);
  return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
}

std::streamsize StandardOutput::xsputn(const char* text, std::streamsize count) {
  pending_.append(text, static_cast<std::size_t>(count));
  if (pending_.size() >= kBufferBytes) write_pending(false);
  return failed_ ? 0 : count;
}

int StandardOutput::sync() { return write_pending(false) ? 0 : -1; }

bool StandardOutput::write_pending(bool to_the_end) {
  if (mode_ == Mode::as_is) {
    write(pending_);
    pending_.clear();
    return !failed_;
  }
  const std::size_t kept = to_the_end ? 0 : unfinished_bytes(pending_);
  write(visible_text(std::string_view(pending_).substr(0, pending_.size() - kept)));
  pending_.erase(0, pending_.size() - kept);
  return !failed_;
}

bool StandardOutput::write(std::string_view text) {
  while (!text.empty() && !failed_) {
    const ssize_t count = ::write(file_, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      // A pipe that its reader has made non-blocking, and that is full.
      pollfd ready{file_, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      failed_ = true;
    }
  }
  return !failed_;
}

}  // namespace cosformer
