#pragma once
/// \file
/// The length M of a re-weighting: the one place that says what it is.

#include <cstdint>

#include "autograd/ops.h"
#include "core/kernels/linear_attention/reweighting.h"
#include "layers/model_config.h"

namespace cosformer {

/// What a task knows of the lengths of its texts.
struct TextLengths {
  std::int64_t seq_len = 0;  ///< positions of the longest text
  std::int64_t padded = 0;   ///< what every batch is padded to; 0: as long as its longest text
};

/// The config with M settled as far as the task settles it. M is part of the function that is trained: a number that depends
/// on the task is written down, so that another task.seq_len later on does not change it. What is settled already stays.
///
///     causal, "auto"               the longest text's length, in `reweighting_length`
///     an encoder-decoder, "auto"   the same, in `self_reweighting_length` and, of one length between all texts, in
///                                  `cross_reweighting_length`
///     "padded"                     a number if every batch is padded to the same length
AttentionConfig settle_reweighting_length(AttentionConfig attention, ModelKind kind, const TextLengths& lengths);

/// The lengths of weights that a run starts from, for what its config leaves open.
AttentionConfig adopt_reweighting_length(AttentionConfig attention, const AttentionConfig& given);

/// The config with the length that counts at a place.
AttentionConfig with_length_at(AttentionConfig config, AttentionPlace place);

/// The config for a text that is being written: every M that would depend on the text's length is that of the longest.
AttentionConfig with_constant_length(AttentionConfig config);

/// Steps of the re-weighting of a batch of `batch` items with at most `queries` and `keys` positions: of cos π / (2M) for
/// each item, M as the config says or, in cross attention with own lengths, the length of each side; of decay −log γ for
/// each head.
ReweightingSteps reweighting_steps(const AttentionConfig& config, const ReweightingKind& kind, std::int64_t heads,
                                   std::int64_t batch, std::int64_t queries, std::int64_t keys, const AttentionMask& mask);

}  // namespace cosformer
