#include "layers/transformer.h"

#include <cmath>
#include <string>

#include "core/error.h"

namespace cosformer {

namespace {

double embedding_std(const ModelConfig& config) {
  return config.embedding_std > 0 ? config.embedding_std : 1.0 / std::sqrt(static_cast<double>(config.embed_dim));
}

}  // namespace

Transformer::Transformer(const Scope& scope, const ModelConfig& config, StackRole role, std::int64_t max_length,
                         std::int64_t causal_length, bool attends_to_encoder, const Variable& shared_embedding)
    : role_(role),
      embed_tokens_(shared_embedding.defined()
                        ? Embedding(shared_embedding)
                        : Embedding(scope / "embed_tokens", config.vocab_size, config.embed_dim, embedding_std(config))),
      embed_positions_(scope, config.positions, max_length, config.embed_dim),
      dropout_(scope / "embed_tokens", config.dropout) {
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    layers_.emplace_back(scope / "layers" / std::to_string(i), config,
                         role == StackRole::encoder ? AttentionPlace::encoder : AttentionPlace::decoder_self, causal_length,
                         attends_to_encoder);
  }
  if (config.norm == NormPlacement::pre) layer_norm_.emplace(scope / "layer_norm", config.embed_dim);
}

Variable Transformer::forward(const Tensor& ids, const SharedPaddingMask& mask, const EncoderOutput& encoder,
                              const Pass& pass) const {
  check<ShapeError>(ids.rank() == 2, "[transformer] token ids must be [B, T], not ", ids.shape());
  const AttentionMask attention_mask{role_ == StackRole::decoder, mask, mask};
  Variable x = dropout_.forward(embed_positions_.forward(embed_tokens_.forward(ids, pass), 0, pass), pass);
  for (const TransformerLayer& layer : layers_) x = layer.forward(x, attention_mask, encoder, pass);
  return layer_norm_ ? layer_norm_->forward(x, pass) : x;
}

void DecoderState::select(std::span<const std::int64_t> rows) {
  for (const auto& layer : layers) layer->select(rows);
  for (EncoderKeys& keys : encoder) keys.select(rows);
}

DecoderState Transformer::start(const EncoderOutput& encoder) const {
  DecoderState state;
  for (const TransformerLayer& layer : layers_) {
    state.layers.push_back(layer.start());
    if (layer.attends_to_encoder()) state.encoder.push_back(layer.encoder_keys(encoder));
  }
  return state;
}

Tensor Transformer::step(const Tensor& ids, DecoderState& state) const {
  const Pass pass;
  const std::int64_t position = state.position++;
  Tensor x = embed_positions_.forward(embed_tokens_.forward(ids, pass), position, pass).value();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i].step(x, *state.layers[i], state.encoder.empty() ? nullptr : &state.encoder[i], position);
  }
  return layer_norm_ ? layer_norm_->forward(Variable(x), pass).value() : x;
}

}  // namespace cosformer
