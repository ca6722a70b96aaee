#include "train/store/lock_owner.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "train/store/file_system.h"

namespace cosformer {

namespace {

/// The first word of a file; "-" if there is none.
std::string word_of(const std::filesystem::path& file) {
  std::string word;
  std::ifstream(file) >> word;
  return word.empty() ? "-" : word;
}

/// When a process of this namespace began, "-" if there is none or only its exit code is left.
std::string start_of(const std::string& process) {
  std::ifstream file("/proc/" + process + "/stat");
  std::string line;
  std::getline(file, line);
  // The name, in parentheses, may hold anything. Behind it: the state, and the start as the twentieth word.
  std::istringstream words(line.substr(std::min(line.rfind(')') + 1, line.size())));
  std::string state, word;
  words >> state;
  constexpr int kWordsToStart = 19;
  for (int i = 0; i < kWordsToStart; ++i) words >> word;
  return !words || state == "Z" || state == "X" ? "-" : word;
}

}  // namespace

LockOwner this_process() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {"-"};
  std::error_code error;
  const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", error).string();
  const std::string process = std::to_string(::getpid());
  return {process, host.data(), word_of("/proc/sys/kernel/random/boot_id"), error ? "-" : space, start_of(process)};
}

std::string to_line(const LockOwner& owner) {
  return concat(owner.process, ' ', owner.host, ' ', owner.boot, ' ', owner.space, ' ', owner.start, '\n');
}

std::optional<LockOwner> read_lock_owner(const std::filesystem::path& path) {
  constexpr std::uint64_t kMaxBytes = 1024;
  std::string text;
  try {
    text = read_text_file(path, kMaxBytes);
  } catch (const InputError&) {
    return std::nullopt;
  }
  LockOwner owner;
  std::istringstream words(text);
  if (!(words >> owner.process >> owner.host >> owner.boot >> owner.space >> owner.start)) return std::nullopt;
  // It becomes part of a path.
  if (owner.process.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return owner;
}

bool has_ended(const LockOwner& owner) {
  const LockOwner self = this_process();
  // Without /proc nothing is certain.
  const bool is_known = self.boot != "-" && self.space != "-" && self.start != "-";
  const bool is_here = owner.boot == self.boot && owner.space == self.space;
  return is_known && is_here && start_of(owner.process) != owner.start;
}

}  // namespace cosformer
