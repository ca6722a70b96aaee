#pragma once
/// \file
/// Softmax that sees keys and values of the window before.

#include "layers/attention/carried_attention.h"

namespace cosformer {

/// The state is [B, w, H, D + E]: the keys and values of the last w tokens before the window, the latest last. Attention
/// within a window of positions keeps as many as it sees, so that its outputs are those of the whole text; other attention
/// as many as a window has, which all its queries see beside their own window's (Dai et al., Transformer-XL, 2019, section
/// 3.2).
class CarriedKeys : public CarriedAttention {
 public:
  CarriedKeys(SoftmaxAttentionOptions options, std::int64_t num_heads, std::int64_t head_dim)
      : options_(std::move(options)), num_heads_(num_heads), head_dim_(head_dim) {}

  Shape state_shape(std::int64_t batch, std::int64_t tokens) const override;
  std::int64_t tokens_beside(std::int64_t tokens) const override { return state_shape(1, tokens).dim(1); }
  CarriedResult go_on(const AttentionInputs& inputs, const Tensor& state, const CarriedWindow& window,
                      const Pass& pass) const override;

 private:
  SoftmaxAttentionOptions options_;
  std::int64_t num_heads_, head_dim_;
};

}  // namespace cosformer
