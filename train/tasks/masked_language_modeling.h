#pragma once
/// \file
/// Masked language modelling: pre-training of encoders.

#include <memory>
#include <span>

#include "data/tokenizers/tokenizer.h"
#include "train/tasks/task.h"

namespace cosformer {

/// Restores the masked tokens of a text; see MaskedTokenBatches. seq_len counts `<s>`. The vocabulary is the tokenizer's and
/// the SpecialTokens. `loss` is the mean over masked tokens in nats, perplexity its exponential, `accuracy` the share of
/// masked tokens with the highest score; the best checkpoint is that of the lowest validation loss. Throws InputError.
std::unique_ptr<Task> make_masked_language_modeling(const Config& config);
/// The same with a tokenizer that is there already.
std::unique_ptr<Task> make_masked_language_modeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer);

/// What the head of masked tokens says of some rows of a batch.
struct MaskedTokens {
  Variable features;  ///< [masked, embed_dim], of the positions to predict alone
  Tensor targets;     ///< int32 [masked]
};
/// `ids` int32 [B, T]; `targets` [B · T] in the same order, kIgnoredTarget where nothing is to be predicted.
MaskedTokens masked_tokens(const Model& model, const Tensor& ids, const SharedPaddingMask& mask,
                           std::span<const std::int32_t> targets, const Pass& pass);

/// factor · Σ cross-entropy over the masked tokens. Scores exist for those alone, tile by tile.
Variable masked_token_loss(const Model& model, const MaskedTokens& masked, double factor, const Pass& pass);

}  // namespace cosformer
