#pragma once
/// \file
/// Attention of a text that is cut into parts: see layers/sequence/README.md.

#include <cstdint>
#include <vector>

#include "layers/attention/attention.h"

namespace cosformer {

struct TextParts;  // layers/sequence/sequence_group.h

/// A part of a longer text.
struct SequencePart {
  std::int64_t first = 0;   ///< where its first token stands
  std::int64_t length = 0;  ///< tokens of the whole text
  AttentionMask mask;       ///< of the part's tokens
  AttentionMask whole;      ///< of the text
};

/// What an attention offers whose queries see other parts' keys through tensors of a constant size.
class CutAttention {
 public:
  virtual ~CutAttention() = default;
  /// What a part has for others, of one shape for all parts.
  virtual Variable handed(const AttentionInputs& inputs, const SequencePart& part, const Pass& pass) const = 0;
  /// Outputs [B, T, H, E] of a part's queries, which read `state` of other parts.
  virtual Variable attend(const AttentionInputs& inputs, const Variable& state, const SequencePart& part,
                          const Pass& pass) const = 0;
  /// The state of each own part, from what all parts hand on. Collective within the text's group.
  virtual std::vector<Tensor> states(const TextParts& text, bool causal, std::vector<Tensor> handed) const = 0;
  /// The gradients of what the own parts hand on, from those of all parts' states. Collective within the text's group.
  virtual std::vector<Tensor> handed_gradients(const TextParts& text, bool causal, std::vector<Tensor> dstates) const = 0;
};

}  // namespace cosformer
