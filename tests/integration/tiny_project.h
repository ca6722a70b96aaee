#pragma once
/// \file
/// A folder with a text and the config of a model that trains in a fraction of a second.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/integration/program.h"

namespace cosformer::test {

/// What a run has come to, without anything that depends on the clock.
struct RunResult {
  std::map<std::string, std::string> tensors;  ///< checksum of each parameter and each moment of the latest checkpoint
  std::vector<std::string> metrics;            ///< the lines of metrics.jsonl
  friend bool operator==(const RunResult&, const RunResult&) = default;
};

class TinyProject {
 public:
  TinyProject();

  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  /// The project's folder as the current one.
  Surroundings surroundings(int threads = 1) const {
    return {.threads = threads, .folder = folder_.path(), .max_file_bytes = {}};
  }

  /// `train tiny.toml --run-dir RUN` with keys ("train.max_steps=5") and further arguments.
  std::vector<std::string> train_arguments(const std::string& run, const std::vector<std::string>& keys = {},
                                           const std::vector<std::string>& further = {}) const;
  Outcome train(const std::string& run, const std::vector<std::string>& keys = {},
                const std::vector<std::string>& further = {}, int threads = 1) const;
  Outcome call(const std::vector<std::string>& arguments, int threads = 1) const;

  RunResult result(const std::string& run) const;
  std::filesystem::path checkpoint(const std::string& run, std::int64_t step) const;
  /// Steps of the checkpoints in the run's folder, ascending.
  std::vector<std::int64_t> checkpoints(const std::string& run) const;
  /// The step of the newest checkpoint of a run that may be at work; -1 if there is none.
  std::int64_t newest(const std::string& run) const;

 private:
  TemporaryFolder folder_;
};

/// Requires that `tiny.toml` ends with the same run on 1 and 3 threads, and where it is stopped after 10 steps and resumed.
/// Leaves the runs "one", "three" and "parts".
void require_same_run_on_any_threads_and_across_a_resume(const TinyProject& project);

/// True for exactly one line that ends with a line break.
bool is_one_line(const std::string& text);
inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace cosformer::test
