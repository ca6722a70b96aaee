#pragma once
/// \file
/// Processes of our own.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cosformer {

/// How a process ended: by its exit code or by a signal.
struct ProcessEnd {
  int code = 0;
  int signal = 0;
};

/// A child. It is killed when this process ends, however it ends.
class ChildProcess {
 public:
  /// A child that runs this program, /proc/self/exe, with `threads` as OMP_NUM_THREADS. It has a process group of its own:
  /// Ctrl-C in a terminal reaches it only through its owner. Standard input is empty, standard output is kept, standard
  /// error goes to the end of `log`. Throws Error if the system refuses.
  ChildProcess(const std::vector<std::string>& arguments, int threads, const std::filesystem::path& log);
  /// A child that calls `body` with the descriptor of what is kept of its output, and ends with the exit code that it
  /// returns. This process must not have run any loop on several threads yet: threads do not survive the fork. Throws Error
  /// where the system refuses.
  explicit ChildProcess(const std::function<int(int output)>& body);
  /// Kills what still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Readable (poll) when the process has ended.
  int descriptor() const { return process_file_; }
  void send(int signal) const;
  /// Nothing while it runs.
  std::optional<ProcessEnd> poll_end();
  /// Waits for the end.
  ProcessEnd wait();
  /// What it has written to its output, at most 64 MiB. Throws Error for more.
  std::string output() const;
  /// Where its standard error begins in the log.
  std::uint64_t log_start() const { return log_start_; }

 private:
  /// Makes the output and forks; `become` is called in the child and does not return.
  void start(const std::function<void(pid_t parent)>& become);

  int process_file_ = -1;  ///< of pidfd_open
  int output_file_ = -1;   ///< in memory
  pid_t id_ = -1;
  std::uint64_t log_start_ = 0;
  bool has_ended_ = false;
};

}  // namespace cosformer
