#pragma once
/// \file
/// Loss and gradients of one training step: micro-batches, shards and their sum.

#include "autograd/backward.h"
#include "train/tasks/task.h"

namespace cosformer {

struct StepGradients {
  Gradients gradients;
  double loss = 0;  ///< mean over the step's targets
  std::int64_t targets = 0;
  std::int64_t tokens = 0;
};

/// The gradients of step `step` (from 1): sequences (step - 1) · batch_size … of the training order, cut into
/// `accumulation` micro-batches of `shards` shards. Their sums are made in a fixed tree, so the bits do not depend on the
/// number of threads.
StepGradients compute_step_gradients(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step);

}  // namespace cosformer
