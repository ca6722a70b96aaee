#include "train/cli/process_start.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string_view>

#include "core/printable.h"

namespace cosformer {

namespace {

constexpr int kInputAtFault = 2;

void open_standard_streams() {
  // Each takes the lowest free number, which is its own. Standard output is opened for reading on purpose.
  constexpr std::array kModes = {O_RDONLY, O_RDONLY, O_WRONLY};
  for (int file = 0; file < static_cast<int>(kModes.size()); ++file) {
    if (::fcntl(file, F_GETFD) < 0 && errno == EBADF && ::open("/dev/null", kModes[static_cast<std::size_t>(file)]) != file)
      ::_exit(1);
  }
}

void write_error(std::string_view text) {
  // Nothing can be done about an error of this.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

void write_visible(std::string_view text) {
  while (!text.empty()) {
    const VisibleUnit unit = visible_unit(text);
    write_error(unit.text());
    text.remove_prefix(unit.bytes);
  }
}

/// Reads the lines of a file without allocating, those over 4 KiB cut.
class Lines {
 public:
  explicit Lines(const char* path) : file_(::open(path, O_RDONLY | O_CLOEXEC)) {}
  ~Lines() { ::close(file_); }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  /// False at the end. `line` is valid until the next call.
  bool next(std::string_view& line) {
    std::size_t size = 0;
    for (char c = 0; ::read(file_, &c, 1) == 1;) {
      if (c == '\n') {
        line = {line_.data(), size};
        return true;
      }
      if (size < line_.size()) line_[size++] = c;
    }
    return false;
  }

 private:
  int file_;
  std::array<char, 4096> line_{};
};

/// The hexadecimal number at the start of `text`, which loses it and the character behind it.
std::uintptr_t take_address(std::string_view& text) {
  std::uintptr_t value = 0;
  while (!text.empty()) {
    const char c = text[0];
    text.remove_prefix(1);
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<std::uintptr_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<std::uintptr_t>(c - 'a' + 10);
    } else {
      break;
    }
  }
  return value;
}

/// Writes the name of the file that is mapped at `address`. False if none is. Lines of /proc/self/maps: FROM-TO MODE
/// OFFSET DEVICE INODE PATH.
bool name_mapped_file(std::uintptr_t address) {
  Lines lines("/proc/self/maps");
  for (std::string_view line; lines.next(line);) {
    const std::uintptr_t begin = take_address(line), end = take_address(line);
    if (address < begin || address >= end) continue;
    const std::size_t path = line.find('/');
    if (path == std::string_view::npos) return false;
    write_error("error: ");
    write_visible(line.substr(path));
    return true;
  }
  return false;
}

extern "C" void end_by_lost_mapping(int signal, siginfo_t* info, void*) {
  if (name_mapped_file(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
    write_error(": became shorter, or its disk failed, while it was read\n");
    ::_exit(kInputAtFault);
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

void prepare_process() {
  open_standard_streams();
  ::signal(SIGXFSZ, SIG_IGN);
  struct sigaction action {};
  action.sa_sigaction = end_by_lost_mapping;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace cosformer
