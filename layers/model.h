#pragma once
/// \file
/// A whole model: encoder, decoder or both, with its output heads.

#include <optional>

#include "layers/transformer.h"

namespace cosformer {

/// classification_head: out_proj(relu(dense(features))).
class ClassificationHead {
 public:
  ClassificationHead(const Scope& scope, std::int64_t in_features, std::int64_t inner, std::int64_t num_classes, double dropout)
      : dense_(scope / "dense", in_features, inner), dropout_(scope / "dense", dropout),
        out_proj_(scope / "out_proj", inner, num_classes) {}

  Variable forward(const Variable& features, const Pass& pass) const {
    return out_proj_.forward(dropout_.forward(relu(dense_.forward(features, pass)), pass), pass);
  }

 private:
  Linear dense_;
  Dropout dropout_;
  Linear out_proj_;
};

/// The model that a ModelConfig describes. After construction only its parameters' values change; passes may run in
/// several threads at once.
class Model {
 public:
  /// Parameters are a function of `seed`. `config.vocab_size` and `config.max_length` must be set. `causal_length` is M of causal
  /// attention where the re-weighting length is `auto` (the task's seq_len). A model of
  /// `shapes_only` says what it would hold and cannot run. Throws InputError for a config that fits no model.
  Model(const ModelConfig& config, std::int64_t causal_length, std::uint64_t seed, DType dtype = DType::float32,
        ParameterValues values = ParameterValues::initialized);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const { return config_; }
  const std::vector<Parameter>& parameters() const { return store_.all(); }

  /// Hidden states of the encoder: ids int32 [B, S] -> [B, S, embed_dim].
  Variable encode(const Tensor& ids, const SharedPaddingMask& mask, const Pass& pass) const;
  /// Hidden states of the decoder: ids int32 [B, T] -> [B, T, embed_dim]. `encoder` is ignored by a decoder-only model.
  Variable decode(const Tensor& ids, const SharedPaddingMask& mask, const EncoderOutput& encoder, const Pass& pass) const;
  /// Scores of all tokens of the vocabulary: hidden [.., embed_dim] -> [.., vocab_size].
  Variable logits(const Variable& hidden, const Pass& pass) const;
  /// The weight [vocab_size, embed_dim] that `logits` multiplies by: the embedding table where tied.
  const Variable& output_weight() const;
  /// Scores of the classes: hidden states of the encoder [B, S, embed_dim] -> [B, num_classes]. Where `pair_features` is set, the
  /// second half of the items holds the partners of the first: [2B, S, embed_dim] -> [B, num_classes].
  Variable classify(const Variable& hidden, const SharedPaddingMask& mask, const Pass& pass) const;

  const Transformer& decoder() const;

 private:
  Variable pool(const Variable& hidden, const SharedPaddingMask& mask) const;

  ModelConfig config_;
  ParameterStore store_;
  std::optional<Transformer> encoder_, decoder_;
  Variable output_projection_;
  std::optional<ClassificationHead> classification_head_;
};

}  // namespace cosformer
