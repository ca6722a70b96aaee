#pragma once
/// \file
/// One layer of a transformer: self-attention, attention to an encoder if asked for, feed-forward.

#include <functional>
#include <memory>
#include <optional>

#include "layers/attention/cut_attention.h"
#include "layers/attention/multi_head.h"
#include "layers/basic_layers.h"
#include "layers/model_config.h"

namespace cosformer {

/// fc2(activation(fc1(x))), or the gated linear unit fc2(fc1(x) ∘ f(fc_gate(x))).
class FeedForward {
 public:
  FeedForward(const Scope& scope, const ModelConfig& config);

  Variable forward(const Variable& x, const Pass& pass) const;
  /// x + dropout(forward(norm(x))) in one operation, for narrow rows.
  Variable forward_residual(const Variable& x, const Norm& norm, const Dropout& dropout, const Pass& pass) const {
    return feed_forward(x, norm.weights(pass), fc1_.weights(pass), fc2_.weights(pass), activation_,
                        {activation_dropout_.mask(pass), dropout.mask(pass)});
  }

 private:
  Linear fc1_, fc2_;
  std::optional<Linear> gate_;
  ScalarFunction activation_;  ///< of fc1's output, or of the gate's
  Dropout activation_dropout_;
};

/// What a layer of a decoder sees of the encoder.
struct EncoderOutput {
  Variable hidden;         ///< [B, S, embed_dim]; undefined without an encoder
  SharedPaddingMask mask;  ///< [B, S]
};

/// Whether layers of a config run in fused operations: pre-norm, with rows narrow enough, layer norms, no gated unit, and
/// biases.
bool uses_fused_blocks(const ModelConfig& config);

/// A residual layer: pre-norm x + f(norm(x)), post-norm norm(x + f(x)), for each f of self-attention, attention to the
/// encoder and feed-forward.
class TransformerLayer {
 public:
  /// `place` is that of its self-attention, `number` that of the layer in its stack, from 0.
  TransformerLayer(const Scope& scope, const ModelConfig& config, AttentionPlace place, std::int64_t number,
                   bool attends_to_encoder);

  /// x [B, T, embed_dim] -> the same shape.
  Variable forward(const Variable& x, const AttentionMask& mask, const EncoderOutput& encoder, const Pass& pass) const;

  /// `forward` in its pieces, without attention to an encoder: what stands before self-attention, of a text or of a part
  /// that begins at `first`;
  MultiHeadAttention::Heads heads(const Variable& x, const SharedPaddingMask& mask, std::int64_t first,
                                  const Pass& pass) const;
  /// self-attention of a part of a text (CutAttention::attend), and of how such parts exchange what they need;
  Variable attend_part(const AttentionInputs& inputs, const Variable& state, const SequencePart& part,
                       const Pass& pass) const {
    return self_attn_.attend_part(inputs, state, part, pass);
  }
  const CutAttention* cut() const { return self_attn_.cut(); }
  /// self-attention of a whole text, -> [B, T, H, E], and what its output projection reads of that, [B, T, embed_dim];
  Variable attend(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const {
    return self_attn_.attend(inputs, mask, pass);
  }
  Variable join_heads(const Variable& attended, const Variable& gate, const Pass& pass) const {
    return self_attn_.join_heads(attended, gate, pass);
  }
  /// what stands behind it, given its output [B, T, H, E], up to the sum with x; and x with what the feed-forward block
  /// adds.
  Variable close_attention(const Variable& x, const Variable& attended, const Variable& gate, const Pass& pass) const;
  Variable feed(const Variable& x, const Pass& pass) const;

  /// What it hands on between windows of `rows` texts (Pass::layer_texts): a layer whose attention can
  /// (AttentionSupport::carries).
  std::vector<CarriedPart> carried_parts(std::int64_t rows, std::int64_t tokens) const {
    return self_attn_.carried_parts(rows, tokens);
  }

  std::unique_ptr<AttentionState> start() const { return self_attn_.start(); }
  bool attends_to_encoder() const { return encoder_attn_.has_value(); }
  /// What `step` sees of an encoder's output.
  EncoderKeys encoder_keys(const EncoderOutput& encoder) const;
  /// The next positions of a decoder, without a graph: x [B, T, embed_dim] from `position` on (from 0). `encoder` is null in
  /// a layer that attends to none, and else T is 1.
  Tensor step(const Tensor& x, AttentionState& state, const EncoderKeys* encoder, std::int64_t position) const;

 private:
  struct CrossAttention {
    MultiHeadAttention attention;
    Norm norm;
    Dropout dropout;
  };
  Variable residual(const Variable& x, const Norm& norm, const Dropout& dropout, const Pass& pass,
                    const std::function<Variable(const Variable&)>& f) const;

  NormPlacement placement_;
  bool fused_;                    ///< the feed-forward block
  bool fused_attention_ = false;  ///< what stands around self-attention
  MultiHeadAttention self_attn_;
  Norm self_attn_layer_norm_;
  Dropout self_attn_dropout_;
  std::optional<CrossAttention> encoder_attn_;
  FeedForward feed_forward_;
  Norm final_layer_norm_;
  Dropout feed_forward_dropout_;
};

}  // namespace cosformer
