#pragma once
/// \file
/// The program `cosformer` as a process of its own.

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/train/run_support.h"

namespace cosformer::test {

/// How a process ended, and what it said.
struct Outcome {
  int code = -1;       ///< exit code; -1 where a signal ended it
  int signal = 0;      ///< the signal that ended it
  std::string output;  ///< standard output
  std::string errors;  ///< standard error
};

struct Surroundings {
  int threads = 1;
  std::filesystem::path folder;                 ///< the current folder of the process; empty = this one's
  std::optional<unsigned long> max_file_bytes;  ///< RLIMIT_FSIZE: a longer write fails with EFBIG
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< variables to set
  std::function<void()> prepare = {};  ///< called last in the new process, before it becomes the program
};

/// A process that runs beside the test; killed if it outlives its owner.
class Program {
 public:
  /// Starts `cosformer` with these arguments. Throws Error.
  explicit Program(const std::vector<std::string>& arguments, const Surroundings& surroundings = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t id() const { return id_; }
  void send(int signal) const;
  /// True until the process has ended.
  bool is_running();
  /// Waits for the end. Kills the process and throws Error after two minutes.
  Outcome wait();

 private:
  TemporaryFolder captured_;
  pid_t id_ = -1;
  std::optional<int> status_;
};

/// Runs the program to its end.
Outcome run_program(const std::vector<std::string>& arguments, const Surroundings& surroundings = {});

/// Calls `condition` until it is true. False if it is not within `limit`.
template <class Condition>
bool wait_until(Condition&& condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::usleep(200);
  }
  return true;
}

}  // namespace cosformer::test
