#pragma once
/// \file
/// Whether the sequences of a run can be cut into parts.

#include <cstdint>

#include "train/config/config.h"

namespace cosformer {

/// Throws InputError, which names the key at fault, if texts of a model cannot be cut. `model` is complete.
void check_can_cut(const ModelConfig& model);

/// The same of a run, if `train.sequence_ranks` asks for it, and if texts of `seq_len` tokens have fewer parts than ranks.
void check_cut(const TrainConfig& train, const ModelConfig& model, std::int64_t seq_len);

}  // namespace cosformer
