#include "layers/transformer.h"

#include <cmath>
#include <string>

#include "autograd/recompute.h"
#include "core/error.h"
#include "layers/carried_texts.h"
#include "layers/packed_texts.h"

namespace cosformer {

namespace {

double embedding_std(const ModelConfig& config) {
  return config.embedding_std > 0 ? config.embedding_std : 1.0 / std::sqrt(static_cast<double>(config.embed_dim));
}

/// `shared` if it is defined, else new parameters.
std::variant<Embedding, AdaptiveEmbedding> token_embedding(const Scope& scope, const ModelConfig& config,
                                                           const Variable& shared) {
  if (shared.defined()) return Embedding(shared);
  if (!config.adaptive_cutoffs.empty()) return AdaptiveEmbedding(scope, config);
  return Embedding(scope, config.vocab_size, config.embed_dim, embedding_std(config));
}

}  // namespace

Transformer::Transformer(const Scope& scope, const ModelConfig& config, StackRole role, bool attends_to_encoder,
                         const Variable& shared_embedding)
    : role_(role),
      embedding_scale_(config.scale_embeddings ? std::sqrt(static_cast<double>(config.embed_dim)) : 1.0),
      embed_tokens_(token_embedding(scope / "embed_tokens", config, shared_embedding)),
      embed_positions_(scope, config.positions, config.max_length, config.embed_dim),
      dropout_(scope / "embed_tokens", config.dropout) {
  const auto add_norm = [&](std::optional<Norm>& norm, const char* name) {
    norm.emplace(scope / name, config.norm_kind, config.embed_dim, config.bias, config.norm_eps);
  };
  if (config.embedding_norm) add_norm(layernorm_embedding_, "layernorm_embedding");
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    layers_.emplace_back(scope / "layers" / std::to_string(i), config,
                         role == StackRole::encoder ? AttentionPlace::encoder : AttentionPlace::decoder_self, i,
                         attends_to_encoder);
  }
  if (config.norm == NormPlacement::pre && config.final_norm) add_norm(layer_norm_, "layer_norm");
}

const Variable& Transformer::embedding_weight() const {
  const auto* table = std::get_if<Embedding>(&embed_tokens_);
  check<Error>(table != nullptr, "[transformer] the token embeddings are in bands, not in one table");
  return table->weight();
}

const AdaptiveEmbedding& Transformer::adaptive_embedding() const {
  const auto* bands = std::get_if<AdaptiveEmbedding>(&embed_tokens_);
  check<Error>(bands != nullptr, "[transformer] the token embeddings are in one table, not in bands");
  return *bands;
}

Variable Transformer::embed(const Tensor& ids, const Pass& pass) const {
  const Variable tokens = std::visit([&](const auto& table) { return table.forward(ids, pass); }, embed_tokens_);
  return embedding_scale_ == 1.0 ? tokens : scale(tokens, embedding_scale_);
}

Variable Transformer::forward(const Tensor& ids, const SharedPaddingMask& mask, const EncoderOutput& encoder,
                              const Pass& pass) const {
  check<ShapeError>(ids.rank() == 2, "[transformer] token ids must be [B, T], not ", ids.shape());
  const AttentionMask attention_mask{role_ == StackRole::decoder, mask, mask};
  Variable x = embed_part(ids, mask, pass.carried ? pass.carried->first : 0, pass);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Pass own = pass;
    if (pass.carried) own.layer_texts = &pass.carried->layers[i];
    const auto run = [&layer = layers_[i], attention_mask, encoder_mask = encoder.mask,
                      own](std::span<const Variable> inputs) {
      return layer.forward(inputs[0], attention_mask, {inputs[1], encoder_mask}, own);
    };
    const std::vector<Variable> inputs = {x, encoder.hidden};
    x = pass.recompute_layers ? recompute(inputs, run) : run(inputs);
  }
  return normed(x, pass);
}

Variable Transformer::embed_part(const Tensor& ids, const SharedPaddingMask& mask, std::int64_t first,
                                 const Pass& pass) const {
  const Variable tokens = embed(ids, pass);
  const auto embedded = [&] {
    if (pass.packed) return embed_positions_.forward_at(tokens, pass.packed->positions(), pass);
    if (!mask || mask->positions.empty()) return embed_positions_.forward(tokens, first, pass);
    return embed_positions_.forward_at(tokens, Tensor::from<std::int32_t>(ids.shape(), mask->positions), pass);
  }();
  return dropout_.forward(layernorm_embedding_ ? layernorm_embedding_->forward(embedded, pass) : embedded, pass);
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
  check<ShapeError>(ids.rank() == 2 && ids.dim(1) >= 1 && (state.encoder.empty() || ids.dim(1) == 1),
                    "[transformer] a decoder steps by one token or more, and by one with an encoder, not by ids of shape ",
                    ids.shape());
  const std::int64_t position = state.position;
  state.position += ids.dim(1);
  const Variable embedded = embed_positions_.forward(embed(ids, pass), position, pass);
  Tensor x = (layernorm_embedding_ ? layernorm_embedding_->forward(embedded, pass) : embedded).value();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i].step(x, *state.layers[i], state.encoder.empty() ? nullptr : &state.encoder[i], position);
  }
  return normed(Variable(x), pass).value();
}

}  // namespace cosformer
