#pragma once
/// \file
/// Attention as a matrix, for looking at it.

#include <map>
#include <string>

#include "core/tensor.h"
#include "layers/attention/attention.h"

namespace cosformer {

/// The weight of each key in each query's output, [B, H, T, S]. The inputs' values are not looked at.
///
/// Every attention here is linear in its values, so that the outputs for the values of the identity matrix are its weights,
/// and weights · value its output. What a variant does about masks, normalisers and guards is in them. O(B·H·T·S·S) time.
Tensor attention_weights(const Attention& attention, const AttentionInputs& inputs, const AttentionMask& mask,
                         const Pass& pass);

/// What a layer's attention saw in a pass.
struct AttentionRecord {
  Tensor query;                   ///< [B, T, H, D]
  Tensor key;                     ///< [B, S, H, D]
  Tensor weights;                 ///< [B, H, T, S]
  Tensor plain_weights;           ///< the same without the re-weighting; undefined if there is none
  ReweightingMatrix reweighting;  ///< without a name if there is none
  bool causal = false;
};

AttentionRecord record_attention(const Attention& attention, const AttentionInputs& inputs, const AttentionMask& mask,
                                 const Pass& pass);

/// Filled by a pass that points to one (Pass::attention_records): records by the attention's place in the tree of names,
/// "decoder.layers.0.self_attn". One pass at a time.
using AttentionRecords = std::map<std::string, AttentionRecord>;

}  // namespace cosformer
