#pragma once
/// \file
/// A training step of one rank or several: gradients, their sum and norm, and the update.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/communicator.h"
#include "layers/sequence/sequence_group.h"
#include "train/loop/carried_rows.h"
#include "train/loop/gradient_exchange.h"
#include "train/loop/gradient_step.h"
#include "train/loop/parameter_slices.h"
#include "train/optimizers/optimizer.h"

namespace cosformer {

/// What the ranks tell each other with each step.
struct StepNote {
  int signal = 0;           ///< that came; of all ranks' the highest is agreed on
  double wall_seconds = 0;  ///< since the run began; that of rank 0 holds
};

struct StepResult {
  double loss = 0;           ///< mean over the step's targets
  double gradient_norm = 0;  ///< before clipping
  std::int64_t tokens = 0;
  StepNote note;
};

/// The parameters are on every rank, and so are their values after an update. The leaves of a step (autograd/step_tree.h)
/// are divided among the ranks by what they cost; the sums of gradients, the optimizer's state and the update by owner
/// (train/loop/parameter_slices.h). All values have the bits that one process computes. Every function is collective.
class SharedStep {
 public:
  /// The arguments must outlive it. Throws InputError if there are more ranks than leaves.
  SharedStep(const Config& config, const Task& task, const Model& model, Communicator& ranks);

  /// The gradients of step `step` (from 1), which stay here for `update`. `note` is called when they are there. Throws
  /// Error.
  StepResult compute(std::int64_t step, const std::function<StepNote()>& note);
  /// Updates the parameters by the gradients of the last step, with whose texts the next one goes on. Throws Error.
  void update(const OptimizerStep& step);
  /// Does without the last step: the next one begins its texts anew. Returns whether it would have gone on with them.
  bool skip();

  /// The optimizer's state as one process has it, and what windows go on with (CarriedRows), on rank 0; empty elsewhere.
  /// Throws Error.
  std::map<std::string, Tensor> gather_state();
  /// Takes over a state of rank 0, and its parameters. Throws Error; `check_state` has been called.
  void distribute(const std::map<std::string, Tensor>& state);
  /// Takes over from rank 0 what windows go on with, of a checkpoint after step `step`; `skipped` is the last step without
  /// an update until then, 0 if there is none. Throws Error; `check_state` has been called.
  void go_on(const std::map<std::string, Tensor>& state, std::int64_t step, std::int64_t skipped);
  /// Throws InputError if a tensor of `gather_state` is missing or has another shape. Not collective.
  void check_state(const std::map<std::string, Tensor>& state) const;

 private:
  std::string pack_step(const LeafGradients& gradients, const StepNote& note) const;
  StepResult unpack_steps(const std::vector<std::string>& messages, std::span<const LeafRuns> runs);
  void gather_parameters(const OptimizerStep& step);
  std::map<std::string, Tensor> gather_moments();
  /// Calls `visit(rank, part, tensor name, slot)` for each state tensor's part, in one order on all ranks.
  template <class Visit>
  void for_each_state(Visit&& visit) const;

  const Config& config_;
  const Task& task_;
  const Model& model_;
  Communicator& ranks_;
  const std::vector<Parameter>& parameters_;
  std::unordered_map<const Node*, std::size_t> places_;  // of the parameters that are trained
  ParameterSlices slices_;
  TextCosts texts_;  // among several ranks
  Optimizer optimizer_;
  std::optional<SequenceGroup> sequence_;     // of a config that cuts its sequences
  std::unique_ptr<CarriedRows> carried_;      // of a task that has streams
  std::optional<GradientExchange> exchange_;  // among several ranks
  Gradients gradients_;                       // of a rank that is alone
  std::vector<Tensor> own_sums_;              // among several, by bucket
  std::vector<char> present_;                 // among several: the parameters that have a gradient
};

/// Throws InputError, which names the key to change, if a step has fewer leaves than there are ranks, or groups of ranks
/// that share sequences, or if ranks are no whole number of groups.
void check_enough_leaves(const ModelConfig& model, const TrainConfig& config, int ranks);

}  // namespace cosformer
