#pragma once
/// \file
/// fairseq's parameter names, which ours come from, where the two differ.

#include "train/exchange/foreign_families.h"

namespace cosformer {

/// Takes every tensor under the name that this program gives it: RoBERTa's `encoder.sentence_encoder.` and
/// `encoder.lm_head.`, `emb_layer_norm`, and query, key and value in one `in_proj_weight`. Of a learned table of positions
/// that is two rows longer than `model.max_length`, fairseq's offset for padding, the first two are cut off. A vocabulary
/// size of 0 becomes the table's. Names that `model` does not have stay among the tensors. Throws InputError.
TranslatedModel translate_fairseq(const ModelConfig& model, ForeignTensors& tensors);

}  // namespace cosformer
