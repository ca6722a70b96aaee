#include "layers/transformer_layer.h"

#include "core/kernels/blocks/norm_linear.h"
#include "layers/attention/registry.h"

namespace cosformer {

bool uses_fused_blocks(const ModelConfig& config) {
  return config.norm == NormPlacement::pre && config.embed_dim <= kWidestFusedRows && config.norm_kind == NormKind::layer &&
         config.ffn_kind == FeedForwardKind::mlp && config.bias;
}

FeedForward::FeedForward(const Scope& scope, const ModelConfig& config)
    : fc1_(scope / "fc1", config.embed_dim, config.ffn_dim, 1.0, config.bias),
      fc2_(scope / "fc2", config.ffn_dim, config.embed_dim, 1.0, config.bias),
      activation_(config.activation),
      activation_dropout_(scope / "fc1", config.activation_dropout) {
  if (config.ffn_kind == FeedForwardKind::mlp) return;
  gate_.emplace(scope / "fc_gate", config.embed_dim, config.ffn_dim, 1.0, config.bias);
  activation_ = config.ffn_kind == FeedForwardKind::swiglu ? ScalarFunction::silu : ScalarFunction::gelu;
}

Variable FeedForward::forward(const Variable& x, const Pass& pass) const {
  const auto activated = [&] {
    if (gate_) return gated_product(fc1_.forward(x, pass), gate_->forward(x, pass), activation_);
    const LinearWeights fc1 = fc1_.weights(pass);
    const Variable hidden = linear(x, fc1.weight, Variable());
    const Variable bias = fc1.bias.defined() ? fc1.bias : Variable(Tensor::zeros({hidden.dim(-1)}, x.dtype()));
    return bias_activation(hidden, bias, activation_);
  };
  return fc2_.forward(activation_dropout_.forward(activated(), pass), pass);
}

TransformerLayer::TransformerLayer(const Scope& scope, const ModelConfig& config, AttentionPlace place, std::int64_t number,
                                   bool attends_to_encoder)
    : placement_(config.norm),
      fused_(uses_fused_blocks(config)),
      self_attn_(scope / "self_attn", config.embed_dim, config.num_heads, attention_of_layer(config, place, number),
                 config.max_length),
      self_attn_layer_norm_(scope / "self_attn_layer_norm", config.norm_kind, config.embed_dim, config.bias,
                            config.norm_eps),
      self_attn_dropout_(scope / "self_attn", config.dropout),
      feed_forward_(scope, config),
      final_layer_norm_(scope / "final_layer_norm", config.norm_kind, config.embed_dim, config.bias, config.norm_eps),
      feed_forward_dropout_(scope / "fc2", config.dropout) {
  // The fused operation does not show the norm's output.
  fused_attention_ = fused_ && !self_attn_.reads_input();
  if (attends_to_encoder) {
    encoder_attn_.emplace(CrossAttention{
        MultiHeadAttention(scope / "encoder_attn", config.embed_dim, config.num_heads,
                           attention_of_layer(config, AttentionPlace::cross, number), config.max_length),
        Norm(scope / "encoder_attn_layer_norm", config.norm_kind, config.embed_dim, config.bias, config.norm_eps),
        Dropout(scope / "encoder_attn", config.dropout)});
  }
}

Variable TransformerLayer::residual(const Variable& x, const Norm& norm, const Dropout& dropout, const Pass& pass,
                                    const std::function<Variable(const Variable&)>& f) const {
  if (placement_ == NormPlacement::pre) return add(x, dropout.forward(f(norm.forward(x, pass)), pass));
  return norm.forward(add(x, dropout.forward(f(x), pass)), pass);
}

Variable TransformerLayer::forward(const Variable& x, const AttentionMask& mask, const EncoderOutput& encoder,
                                   const Pass& pass) const {
  const MultiHeadAttention::Heads own = heads(x, mask.key_mask, pass.carried ? pass.carried->first : 0, pass);
  Variable y = close_attention(x, self_attn_.attend(own.inputs, mask, pass), own.gate, pass);
  if (encoder_attn_) {
    const AttentionMask cross_mask{false, encoder.mask, mask.query_mask};
    y = residual(y, encoder_attn_->norm, encoder_attn_->dropout, pass, [&](const Variable& input) {
      return encoder_attn_->attention.forward(input, encoder.hidden, cross_mask, pass);
    });
  }
  return feed(y, pass);
}

Variable TransformerLayer::feed(const Variable& x, const Pass& pass) const {
  if (fused_) return feed_forward_.forward_residual(x, final_layer_norm_, feed_forward_dropout_, pass);
  return residual(x, final_layer_norm_, feed_forward_dropout_, pass,
                  [&](const Variable& input) { return feed_forward_.forward(input, pass); });
}

MultiHeadAttention::Heads TransformerLayer::heads(const Variable& x, const SharedPaddingMask& mask, std::int64_t first,
                                                  const Pass& pass) const {
  if (fused_attention_) return self_attn_.heads_of_norm(x, self_attn_layer_norm_, mask, pass, first);
  const Variable input = placement_ == NormPlacement::pre ? self_attn_layer_norm_.forward(x, pass) : x;
  return self_attn_.heads_of(input, input, mask, pass, first);
}

Variable TransformerLayer::close_attention(const Variable& x, const Variable& attended, const Variable& gate,
                                           const Pass& pass) const {
  if (fused_attention_) return self_attn_.close_residual(attended, gate, x, self_attn_dropout_, pass);
  const Variable sum = add(x, self_attn_dropout_.forward(self_attn_.close(attended, gate, pass), pass));
  return placement_ == NormPlacement::pre ? sum : self_attn_layer_norm_.forward(sum, pass);
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
