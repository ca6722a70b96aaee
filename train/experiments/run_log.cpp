#include "train/experiments/run_log.h"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "core/error.h"
#include "train/store/file_lock.h"
#include "train/store/file_system.h"
#include "train/store/logging.h"

namespace cosformer {

namespace {

constexpr std::uint64_t kMaxLogBytes = std::uint64_t{16} << 20;
constexpr std::size_t kMaxSessions = 100;

/// The line after its time and level.
std::string_view message_of(std::string_view line) {
  for (int word = 0; word < 2; ++word) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return {};
    line.remove_prefix(space + 1);
  }
  return line;
}

}  // namespace

RunLog read_run_log(const std::filesystem::path& run) {
  RunLog log;
  std::string text;
  try {
    text = read_text_file(run / "run.log", kMaxLogBytes);
  } catch (const InputError&) {
    return log;
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string_view message = message_of(line);
    if (message.empty()) continue;
    if (message.starts_with(kEnvironmentLabel) && log.environment.size() < kMaxSessions) {
      log.environment.push_back(concat(line.substr(0, line.find(' ')), "  ", message.substr(kEnvironmentLabel.size())));
    }
    log.last_line = message;
  }
  return log;
}

bool is_being_written(const std::filesystem::path& run) {
  struct stat status {};
  if (::stat((run / ".lock").c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  const std::string inode = concat(':', status.st_ino);
  if (is_owned_by_file(run / ".lock")) return true;
  std::string holder;
  std::ifstream(run / ".lock") >> holder;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    // "7: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"
    std::istringstream words(line);
    std::string number, kind, advisory, access, process, file;
    words >> number >> kind >> advisory >> access >> process >> file;
    if (kind == "FLOCK" && access == "WRITE" && process == holder && file.ends_with(inode)) return true;
  }
  return false;
}

}  // namespace cosformer
