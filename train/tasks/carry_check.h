#pragma once
/// \file
/// Whether the training windows of a run can go on with the state of the one before.

#include "train/tasks/task.h"

namespace cosformer {

/// Throws InputError, which names the key at fault, if the windows of a task's streams cannot. Does nothing for a task
/// without streams. `model` is complete.
void check_carried(const TrainConfig& train, const ModelConfig& model, const Task& task);

}  // namespace cosformer
