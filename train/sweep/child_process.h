#pragma once
/// \file
/// This program as a process of its own.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cosformer {

/// How a process ended: by its exit code or by a signal.
struct ProcessEnd {
  int code = 0;
  int signal = 0;
};

/// A child that runs /proc/self/exe. It is killed when this process ends, however it ends, and has a process group of its
/// own: Ctrl-C in a terminal reaches it only through its owner. Standard input is empty, standard output is kept, standard
/// error goes to the end of a file.
class ChildProcess {
 public:
  /// `threads`: OMP_NUM_THREADS. Throws Error where the system refuses.
  ChildProcess(const std::vector<std::string>& arguments, int threads, const std::filesystem::path& log);
  /// Kills what still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Readable (poll) when the process has ended.
  int descriptor() const { return process_file_; }
  void send(int signal) const;
  /// Nothing while it runs.
  std::optional<ProcessEnd> poll_end();
  /// What it has written to standard output, at most 64 MiB. Throws Error for more.
  std::string output() const;
  /// Where its standard error begins in the log.
  std::uint64_t log_start() const { return log_start_; }

 private:
  int process_file_ = -1;  ///< of pidfd_open
  int output_file_ = -1;   ///< in memory
  pid_t id_ = -1;
  std::uint64_t log_start_ = 0;
  bool has_ended_ = false;
};

}  // namespace cosformer
