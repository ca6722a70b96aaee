#pragma once
/// \file
/// Loss and gradients of one training step: micro-batches, shards and their sum.

#include <functional>
#include <vector>

#include "autograd/backward.h"
#include "autograd/step_tree.h"
#include "train/loop/step_work.h"
#include "train/tasks/task.h"

namespace cosformer {

struct StepGradients {
  Gradients gradients;
  double loss = 0;  ///< mean over the step's targets
  std::int64_t targets = 0;
  std::int64_t tokens = 0;
};

/// The gradients of step `step` (from 1): sequences (step - 1) · batch_size … of the training order, cut into
/// `accumulation` micro-batches of `shards` shards. Their sums are made in a fixed tree (autograd/step_tree.h), so the
/// bits do not depend on the number of threads. Sequences that are cut have the bits that they have on any number of ranks.
StepGradients compute_step_gradients(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step);

/// Shards of all micro-batches of a step: the leaves of its tree. The config alone decides.
std::int64_t step_leaves(const ModelConfig& model, const TrainConfig& config);

/// What a rank has of a step.
struct LeafGradients {
  std::vector<Gradients> sums;  ///< of each of `subtrees_in(runs, leaves)`
  std::vector<double> losses;   ///< of each leaf of the runs; together they are the loss of the step
};

/// Told a parameter's gradient in each of the subtrees, from left to right, when it is known in all of them; undefined if
/// there is none.
using ParameterDone = std::function<void(const Node* parameter, std::vector<Tensor> sums)>;

/// The gradients of some of the step's leaves. `done`, if given, is told of parameters on the calling thread, while the
/// backward pass of the last leaf runs. Not all come by, and none if leaves run side by side.
LeafGradients compute_leaf_gradients(const StepWork& work, const LeafRuns& runs, const ParameterDone& done = {});

}  // namespace cosformer
