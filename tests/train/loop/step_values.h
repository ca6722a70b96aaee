#pragma once
/// \file
/// A step of training as one vector of numbers.

#include <vector>

#include "tests/support/layer_cases.h"
#include "tests/train/loop/step_gradients.h"

namespace cosformer::test {

/// The loss and every gradient of a step.
inline std::vector<double> step_values(const Task& task, const Model& model, const TrainConfig& train, std::int64_t step) {
  const StepGradients result = compute_step_gradients(task, model, train, step);
  std::vector<double> all = {result.loss};
  for (const Parameter& each : model.parameters()) {
    const Values own = values_of(result.gradients.of(each.variable));
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

}  // namespace cosformer::test
