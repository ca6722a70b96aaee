#pragma once
/// \file
/// The training loop.

#include <memory>
#include <optional>

#include "train/loop/averaged_weights.h"
#include "train/loop/run_recorder.h"
#include "train/loop/shared_step.h"
#include "train/store/checkpoint_store.h"
#include "train/store/run_directory.h"
#include "train/store/signals.h"
#include "train/tasks/task.h"

namespace spdlog {
class logger;
}

namespace cosformer {

/// How a run ended.
enum class RunEnd : std::uint8_t { finished, out_of_patience, out_of_time, by_signal };

/// In words; `signal` is that of an end by a signal.
std::string describe(RunEnd end, int signal);

/// One run in its folder: trains, evaluates, saves, and continues where an earlier process stopped.
///
/// All that a step depends on is the config, the parameters, the optimizer's moments and the step number; a continued run
/// therefore gives the same bits as one that never stopped, on the same instruction set and BLAS kernels.
class Trainer {
 public:
  /// Trains `model` (freshly made, by `config`) and, if `directory` holds a checkpoint that is whole, continues from it.
  /// Rank 0 alone has the directory, and a console and log that show something; the others are given null. The other
  /// arguments must outlive the trainer. Throws InputError for a checkpoint that does not fit the config, and where there
  /// are checkpoints and none can be used. This and all other functions but the last two are collective.
  Trainer(const Config& config, const Task& task, std::unique_ptr<Model> model, FileSystem& files, RunDirectory* directory,
          Console& console, spdlog::logger& log, Communicator& ranks);

  /// Trains until `max_steps`, a limit or a signal. A checkpoint of the last step is saved in each case, unless that step
  /// was skipped. A signal ends an evaluation too; the continued run begins with it. Does nothing if the run has reached
  /// its end before. Throws Error if too many steps in a row were not finite, if a checkpoint would hold a value that
  /// is not finite, or if the disk fails; the checkpoints before stay as they are.
  RunEnd run();

  /// Saves a checkpoint of step 0, if the run has none: what it began with then needs no other folder.
  void save_start();

  const RunState& state() const { return state_; }
  /// The signal that ended the run, of those that any rank got; 0 for none.
  int signal() const { return signal_; }

 private:
  void resume();
  void train_step();
  bool is_due(std::int64_t every) const;
  /// Whether a step after which the run ends so, or goes on, is one with an evaluation.
  bool wants_evaluation(std::optional<RunEnd> end) const;
  /// False where a signal came before the end of it; nothing is then recorded.
  bool evaluate();
  /// Lets a language model continue `logging.sample_prompt`, if there is one.
  void write_sample();
  /// Saves the state unless that has been done, or the last step was skipped: weights that give no finite loss must not take
  /// the place of healthy ones.
  void save();
  std::string last_checkpoint() const;
  std::optional<RunEnd> reason_to_stop() const;
  std::optional<RunEnd> end_by_signal() const;
  /// Agrees with the other ranks on a signal that one of them may have got. Collective.
  void agree_on_signal();
  void skip_step(double loss, double gradient_norm);
  double wall_seconds() const;

  const Config& config_;
  const Task& task_;
  FileSystem& files_;
  RunDirectory* directory_;
  spdlog::logger& log_;
  Communicator& ranks_;
  RunIdentity identity_;
  std::unique_ptr<Model> model_;
  SharedStep step_;
  AveragedWeights average_;
  RunState state_;
  std::optional<CheckpointStore> checkpoints_;  // of rank 0
  std::optional<RunRecorder> recorder_;         // of rank 0
  SignalScope signals_;
  int signal_ = 0;
  double started_seconds_ = 0;
  std::int64_t saved_step_ = -1;
};

}  // namespace cosformer
