#pragma once
/// \file
/// How fast this process trains a model, found by trying parts of a step.

#include <vector>

#include "train/config/config.h"
#include "train/tasks/task.h"

namespace cosformer {

/// Floating-point operations of forward and backward passes per second that this process reaches on parts of the first step
/// of a config whose model is complete. Of deep models it tries one layer and three (of `attention.layers`, the pattern once
/// and three times), and adds up; of wide ones it takes few sequences. Takes a few seconds and the memory of one such part;
/// nothing is written. Throws as a step does.
double measure_training_speed(const Config& config, const Task& task);

/// Operations of forward and backward passes of each leaf of the first step.
std::vector<double> first_step_flops(const Config& config, const Task& task);

}  // namespace cosformer
