#pragma once
/// \file
/// Losses and gradients of the leaves of a training step.

#include <functional>
#include <vector>

#include "autograd/backward.h"
#include "autograd/step_tree.h"
#include "train/loop/step_work.h"
#include "train/tasks/task.h"

namespace cosformer {

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
