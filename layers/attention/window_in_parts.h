#pragma once
/// \file
/// Softmax within a window, of a text that is cut into parts.

#include "layers/attention/cut_attention.h"

namespace cosformer {

/// A part hands on the keys and values beside its cuts, and reads those within reach of its own tokens: the state is
/// [B, w, H, D + E], the last w tokens before the part, and without causality [B, 2w, H, D + E], the first w tokens behind
/// it as well. A window may reach over several parts.
class WindowInParts : public CutAttention {
 public:
  /// `options.window` is not negative.
  explicit WindowInParts(SoftmaxAttentionOptions options);
  /// With so many tokens in the state of a causal part, w, however many of them a query sees.
  WindowInParts(SoftmaxAttentionOptions options, std::int64_t reach) : options_(std::move(options)), reach_(reach) {}

  Variable handed(const AttentionInputs& inputs, const SequencePart& part, const Pass& pass) const override;
  Variable attend(const AttentionInputs& inputs, const Variable& state, const SequencePart& part,
                  const Pass& pass) const override;
  std::vector<Tensor> states(const TextParts& text, bool causal, std::vector<Tensor> handed) const override;
  std::vector<Tensor> handed_gradients(const TextParts& text, bool causal, std::vector<Tensor> dstates) const override;

 private:
  SoftmaxAttentionOptions options_;
  std::int64_t reach_;  ///< w
};

}  // namespace cosformer
