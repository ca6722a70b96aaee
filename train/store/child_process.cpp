#include "train/store/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "data/regular_file.h"

// The header of glibc 2.36 does not say so itself.
extern "C" {
#include <sys/pidfd.h>
}

namespace cosformer {

namespace {

constexpr const char* kProgram = "/proc/self/exe";
constexpr std::string_view kThreadsVariable = "OMP_NUM_THREADS=";
constexpr off_t kMaxOutputBytes = off_t{64} << 20;
constexpr int kCannotStart = 127;

[[noreturn]] void fail(const char* action) { throw Error(concat("cannot ", action, ": ", std::strerror(errno))); }

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// In the child: what nobody waits for any more is killed.
void die_with(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kCannotStart);
}

ProcessEnd end_of(int status) {
  if (WIFSIGNALED(status)) return ProcessEnd{0, WTERMSIG(status)};
  return ProcessEnd{WEXITSTATUS(status), 0};
}

/// Between fork and exec only what is safe in a signal handler: another thread of the parent may have held a lock.
[[noreturn]] void become_program(char* const* arguments, char* const* environment, pid_t parent, int output, int log) {
  die_with(parent);
  ::setpgid(0, 0);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(log, STDERR_FILENO) < 0)
    ::_exit(kCannotStart);
  ::execve(kProgram, arguments, environment);
  ::_exit(kCannotStart);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, int threads, const std::filesystem::path& log) {
  std::vector<std::string> words = {"cosformer"}, variables = {concat(kThreadsVariable, threads)};
  words.insert(words.end(), arguments.begin(), arguments.end());
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with(kThreadsVariable)) variables.emplace_back(*variable);
  }
  const std::vector<char*> argv = pointers_to(words), environment = pointers_to(variables);
  const int log_file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (log_file < 0) fail(concat("open ", log.string()).c_str());
  struct stat status {};
  if (::fstat(log_file, &status) == 0) log_start_ = static_cast<std::uint64_t>(status.st_size);
  try {
    start([&](pid_t parent) { become_program(argv.data(), environment.data(), parent, output_file_, log_file); });
  } catch (...) {
    ::close(log_file);
    throw;
  }
  ::close(log_file);
}

ChildProcess::ChildProcess(const std::function<int(int output)>& body) {
  start([&](pid_t parent) {
    die_with(parent);
    // _exit: the parent's buffered output is not the child's to write.
    ::_exit(body(output_file_));
  });
}

void ChildProcess::start(const std::function<void(pid_t parent)>& become) {
  output_file_ = ::memfd_create("output", MFD_CLOEXEC);
  const pid_t parent = ::getpid();
  if (output_file_ >= 0) id_ = ::fork();
  if (id_ == 0) become(parent);
  if (id_ > 0) process_file_ = ::pidfd_open(id_, 0);
  if (process_file_ >= 0) return;
  const int reason = errno;
  if (id_ > 0) {
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  if (output_file_ >= 0) ::close(output_file_);
  errno = reason;
  fail("start a process");
}

ChildProcess::~ChildProcess() {
  if (!has_ended_) {
    send(SIGKILL);
    while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  ::close(process_file_);
  ::close(output_file_);
}

void ChildProcess::send(int signal) const {
  if (!has_ended_) ::kill(id_, signal);
}

std::optional<ProcessEnd> ChildProcess::poll_end() {
  int status = 0;
  if (has_ended_ || ::waitpid(id_, &status, WNOHANG) != id_) return std::nullopt;
  has_ended_ = true;
  return end_of(status);
}

ProcessEnd ChildProcess::wait() {
  int status = 0;
  while (::waitpid(id_, &status, 0) < 0) {
    if (errno != EINTR) fail("wait for a process");
  }
  has_ended_ = true;
  return end_of(status);
}

std::string ChildProcess::output() const {
  struct stat status {};
  if (::fstat(output_file_, &status) < 0) fail("read a process's output");
  check<Error>(status.st_size <= kMaxOutputBytes, "a process wrote more than ", kMaxOutputBytes, " bytes");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  if (read_at(output_file_, 0, std::as_writable_bytes(std::span(text))) != std::ssize(text)) fail("read a process's output");
  return text;
}

}  // namespace cosformer
