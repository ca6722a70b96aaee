#pragma once
/// \file
/// Loss and gradients of one training step, as one process computes them.

#include "core/communicator.h"
#include "layers/sequence/sequence_group.h"
#include "train/loop/gradient_step.h"

namespace cosformer::test {

struct StepGradients {
  Gradients gradients;
  double loss = 0;  ///< mean over the step's targets
  std::int64_t targets = 0;
  std::int64_t tokens = 0;
};

/// Of step `step` (from 1).
inline StepGradients compute_step_gradients(const Task& task, const Model& model, const TrainConfig& config,
                                            std::int64_t step) {
  const auto alone = make_single_rank();
  SequenceGroup sequence(*alone, 1);
  const StepWork work(task, model, config, step, config.sequence_ranks > 0 ? &sequence : nullptr);
  LeafGradients all = compute_leaf_gradients(work, {{0, work.leaves()}});
  StepGradients result{std::move(all.sums.front()), 0, work.targets(), work.tokens()};
  for (const double loss : all.losses) result.loss += loss;
  return result;
}

}  // namespace cosformer::test
