#pragma once
/// \file
/// Whether the sequences of a run can be cut into parts.

#include <cstdint>

#include "train/config/config.h"

namespace cosformer {

/// Throws InputError, which names the key at fault, if `train.sequence_ranks` asks for texts of at most `seq_len` tokens to
/// be cut that cannot be, or that have fewer parts than ranks. `model` is complete.
void check_cut(const TrainConfig& train, const TaskConfig& task, const ModelConfig& model, std::int64_t seq_len);

}  // namespace cosformer
