#pragma once
/// \file
/// Attention of a text that is cut into parts: see layers/sequence/README.md.

#include <cstdint>
#include <vector>

#include "layers/attention/attention.h"

namespace cosformer {

/// A part of a longer text.
struct SequencePart {
  std::int64_t first = 0;   ///< where its first token stands
  std::int64_t length = 0;  ///< tokens of the whole text
  AttentionMask mask;       ///< of the part's tokens
  AttentionMask whole;      ///< of the text
};

/// What an attention offers whose queries see other parts' keys through sums of constant size alone.
class CutAttention {
 public:
  virtual ~CutAttention() = default;
  /// The sums of a part's keys and values, of one shape for all parts, whose axis 1 is that of the heads.
  virtual Variable key_sums(const AttentionInputs& inputs, const SequencePart& part, const Pass& pass) const = 0;
  /// Outputs [B, T, H, E] of a part's queries. `state` is the sum over the parts before it, or without causality over all.
  virtual Variable attend(const AttentionInputs& inputs, const Variable& state, const SequencePart& part,
                          const Pass& pass) const = 0;
  /// What a state is multiplied by, head by head, as it moves on by `length` positions.
  virtual std::vector<double> carry(std::int64_t length) const = 0;
};

}  // namespace cosformer
