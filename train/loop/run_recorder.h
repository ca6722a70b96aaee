#pragma once
/// \file
/// What a run says of its steps and evaluations: metrics.jsonl, TensorBoard, samples, the progress line and the log.

#include <optional>
#include <string>

#include "train/loop/progress.h"
#include "train/store/metrics.h"
#include "train/store/run_directory.h"
#include "train/store/run_state.h"
#include "train/store/tensorboard.h"
#include "train/tasks/task.h"

namespace spdlog {
class logger;
}

namespace cosformer {

/// What one training step found.
struct StepReport {
  double loss = 0;
  double gradient_norm = 0;
  double learning_rate = 0;
  std::int64_t tokens = 0;
  double seconds = 0;
};

class RunRecorder {
 public:
  /// Opens the files of `directory`, which a run leaves that continues after `step`. `flops_per_token` is the arithmetic of
  /// a training step. The other arguments must outlive the recorder. Throws Error.
  RunRecorder(const Config& config, double flops_per_token, FileSystem& files, RunDirectory& directory, std::int64_t step,
              Console& console, spdlog::logger& log);

  /// Measures the speed that the progress line compares with; takes 0.2 s.
  void measure_peak();
  /// Shows a step, and records every `train.log_every`th. `state` is that after the step.
  void add_step(const StepReport& report, const RunState& state);
  void show_evaluation(std::int64_t done, std::int64_t batches);
  /// Records an evaluation at `state`, which says that it is the best so far if `best` is set. `may_be_there`: a crash
  /// may have come between the record and its checkpoint, so that the run evaluates again.
  void add_evaluation(const Evaluation& evaluation, const RunState& state, bool best, bool may_be_there);
  /// Records what a language model wrote behind `prompt`.
  void add_sample(const std::string& prompt, const std::string& text, const RunState& state);
  /// Ends the progress line.
  void finish() { progress_.finish(); }

  /// Waits until all records are on the disk. Throws Error.
  void sync() { metrics_.sync(); }
  /// Of metrics.jsonl.
  Digest content() const { return metrics_.content(); }

 private:
  bool holds(std::int64_t step, const char* split) const;

  const Config& config_;
  FileSystem& files_;
  RunDirectory& directory_;
  spdlog::logger& log_;
  MetricsWriter metrics_;
  std::optional<TensorBoardWriter> tensorboard_;
  ProgressDisplay progress_;
  double flops_per_token_ = 0, peak_ = 0;
  struct Window {  ///< since the last recorded step
    std::int64_t tokens = 0, steps = 0;
    double seconds = 0;
  } window_;
};

}  // namespace cosformer
