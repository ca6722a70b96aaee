#pragma once
/// \file
/// The processes that a point needs, one after the other.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "train/experiments/sweep/sweep_plan.h"
#include "train/store/child_process.h"
#include "train/store/file_system.h"
#include "train/store/run_directory.h"

namespace cosformer {

/// One point on its way: trains each stage, scores its best checkpoint on the splits that the config names, writes
/// result.json. What is done already is not done again. A stage that fails leaves its line in STAGE.failed and ends the
/// point.
class PointJob {
 public:
  /// Told of each stage that has ended: `failure` is empty if it is finished.
  using StageEnd = std::function<void(const SweepRun& run, std::size_t stage, const std::string& failure)>;

  /// The arguments must outlive the job. Takes the point's lock. Throws InputError if another process has it.
  PointJob(FileSystem& files, const SweepPlan& plan, std::size_t point, int threads, StageEnd stage_ended);

  /// Starts the first process. False if nothing is left to do.
  bool start() { return start_next(); }
  /// Readable when `advance` has something to do.
  int descriptor() const { return process_->descriptor(); }
  /// Takes the end of a process and starts the next one. False when the point is at its end, or `stopping` and a process was
  /// ended by the signal.
  bool advance(bool stopping);
  void send(int signal) const { process_->send(signal); }
  /// What is at work: the run of the current stage, and the split that is scored; empty while it trains.
  const SweepRun& run() const { return plan_.runs[point_][stage_]; }
  const std::string& scored_split() const { return scored_split_; }

 private:
  bool start_next();
  void start_process(const std::vector<std::string>& arguments);
  void write_result();
  void fail(const std::string& reason);
  /// The last line that the process wrote to its log, or by which signal it ended.
  std::string reason_of(const ProcessEnd& end) const;

  FileSystem& files_;
  const SweepPlan& plan_;
  std::size_t point_;
  int threads_;
  StageEnd stage_ended_;
  FileLock lock_;
  std::size_t stage_ = 0;
  std::vector<std::pair<std::string, std::string>> scores_;  ///< by split: what `eval --json` printed
  std::string scored_split_;                                 ///< by the process that runs; empty while it trains
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace cosformer
