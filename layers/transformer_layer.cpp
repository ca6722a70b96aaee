#include "layers/transformer_layer.h"

#include "core/kernels/blocks/norm_linear.h"
#include "layers/attention/registry.h"

namespace cosformer {

bool uses_fused_blocks(const ModelConfig& config) {
  return config.norm == NormPlacement::pre && config.embed_dim <= kWidestFusedRows && config.activation_dropout == 0;
}

TransformerLayer::TransformerLayer(const Scope& scope, const ModelConfig& config, AttentionPlace place, std::int64_t number,
                                   bool attends_to_encoder)
    : placement_(config.norm),
      fused_(uses_fused_blocks(config)),
      self_attn_(scope / "self_attn", config.embed_dim, config.num_heads, attention_at(config.attention, place, number),
                 config.max_length),
      self_attn_layer_norm_(scope / "self_attn_layer_norm", config.embed_dim),
      self_attn_dropout_(scope / "self_attn", config.dropout),
      feed_forward_(scope, config),
      final_layer_norm_(scope / "final_layer_norm", config.embed_dim),
      feed_forward_dropout_(scope / "fc2", config.dropout) {
  if (attends_to_encoder) {
    encoder_attn_.emplace(CrossAttention{
        MultiHeadAttention(scope / "encoder_attn", config.embed_dim, config.num_heads,
                           attention_at(config.attention, AttentionPlace::cross, number), config.max_length),
        LayerNorm(scope / "encoder_attn_layer_norm", config.embed_dim), Dropout(scope / "encoder_attn", config.dropout)});
  }
}

Variable TransformerLayer::residual(const Variable& x, const LayerNorm& norm, const Dropout& dropout, const Pass& pass,
                                    const std::function<Variable(const Variable&)>& f) const {
  if (placement_ == NormPlacement::pre) return add(x, dropout.forward(f(norm.forward(x, pass)), pass));
  return norm.forward(add(x, dropout.forward(f(x), pass)), pass);
}

Variable TransformerLayer::forward(const Variable& x, const AttentionMask& mask, const EncoderOutput& encoder,
                                   const Pass& pass) const {
  Variable y = fused_ ? self_attn_.forward_residual(x, self_attn_layer_norm_, self_attn_dropout_, mask, pass)
                      : residual(x, self_attn_layer_norm_, self_attn_dropout_, pass,
                                 [&](const Variable& input) { return self_attn_.forward(input, input, mask, pass); });
  if (encoder_attn_) {
    const AttentionMask cross_mask{false, encoder.mask, mask.query_mask};
    y = residual(y, encoder_attn_->norm, encoder_attn_->dropout, pass, [&](const Variable& input) {
      return encoder_attn_->attention.forward(input, encoder.hidden, cross_mask, pass);
    });
  }
  if (fused_) return feed_forward_.forward_residual(y, final_layer_norm_, feed_forward_dropout_, pass);
  return residual(y, final_layer_norm_, feed_forward_dropout_, pass,
                  [&](const Variable& input) { return feed_forward_.forward(input, pass); });
}

EncoderKeys TransformerLayer::encoder_keys(const EncoderOutput& encoder) const {
  return encoder_attn_->attention.keys_of(encoder.hidden, encoder.mask);
}

Tensor TransformerLayer::step(const Tensor& x, AttentionState& state, const EncoderKeys* encoder,
                              std::int64_t position) const {
  const Pass pass;
  Variable y = residual(Variable(x), self_attn_layer_norm_, self_attn_dropout_, pass,
                        [&](const Variable& input) { return Variable(self_attn_.step(input.value(), state)); });
  if (encoder_attn_) {
    y = residual(y, encoder_attn_->norm, encoder_attn_->dropout, pass, [&](const Variable& input) {
      return Variable(encoder_attn_->attention.attend_to(*encoder, input.value(), position));
    });
  }
  return residual(y, final_layer_norm_, feed_forward_dropout_, pass,
                  [&](const Variable& input) { return feed_forward_.forward(input, pass); })
      .value();
}

}  // namespace cosformer
