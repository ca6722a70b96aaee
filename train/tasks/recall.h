#pragma once
/// \file
/// Recall: a decoder answers where its sequence asks.

#include <memory>

#include "train/tasks/task.h"

namespace cosformer {

/// Reads files of data/recall_sequences.h. The loss and the accuracy are those of the targets alone. Throws InputError.
std::unique_ptr<Task> make_recall(const Config& config);

}  // namespace cosformer
