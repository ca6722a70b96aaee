#pragma once
/// \file
/// A whole model: encoder, decoder or both, with its output heads.

#include <optional>

#include "layers/transformer.h"

namespace cosformer {

/// classification_head: out_proj(relu(dense(features))).
class ClassificationHead {
 public:
  ClassificationHead(const Scope& scope, std::int64_t in_features, std::int64_t inner, std::int64_t num_classes,
                     double dropout)
      : dense_(scope / "dense", in_features, inner),
        dropout_(scope / "dense", dropout),
        out_proj_(scope / "out_proj", inner, num_classes) {}

  Variable forward(const Variable& features, const Pass& pass) const {
    return out_proj_.forward(dropout_.forward(relu(dense_.forward(features, pass)), pass), pass);
  }

 private:
  Linear dense_;
  Dropout dropout_;
  Linear out_proj_;
};

/// lm_head: scores of all tokens, out_proj(layer_norm(gelu(dense(hidden)))), where out_proj.weight may be the embedding
/// table. Source: Liu et al. 2019, RoBERTa, as in fairseq.
class LanguageModelHead {
 public:
  /// `embedding` is the table that is shared; undefined if the head has a weight of its own.
  LanguageModelHead(const Scope& scope, const ModelConfig& config, const Variable& embedding);

  /// What out_proj multiplies: hidden [.., embed_dim] -> the same shape.
  Variable features(const Variable& hidden, const Pass& pass) const {
    return layer_norm_.forward(gelu(dense_.forward(hidden, pass)), pass);
  }
  /// out_proj: weight [vocab_size, embed_dim], bias [vocab_size].
  LinearWeights output(const Pass& pass) const { return {pass.use(weight_), pass.use(bias_)}; }

 private:
  Linear dense_;
  LayerNorm layer_norm_;
  Variable weight_, bias_;
};

/// The model that a ModelConfig describes. After construction only its parameters' values change; passes may run in
/// several threads at once.
class Model {
 public:
  /// Parameters are a function of `seed`. `config.vocab_size` and `config.max_length` must be set; the latter is M of a
  /// causal re-weighting that no task has settled. A model of `shapes_only` says what it would hold and cannot run. Throws
  /// InputError for a config that fits no model.
  Model(const ModelConfig& config, std::uint64_t seed, DType dtype = DType::float32,
        ParameterValues values = ParameterValues::initialized);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const { return config_; }
  const std::vector<Parameter>& parameters() const { return store_.all(); }

  /// A second name, as fairseq writes it, of a parameter that is used in two places.
  struct TiedName {
    std::string name, parameter;
  };
  const std::vector<TiedName>& tied_names() const { return tied_names_; }

  /// Hidden states of the encoder: ids int32 [B, S] -> [B, S, embed_dim].
  Variable encode(const Tensor& ids, const SharedPaddingMask& mask, const Pass& pass) const;
  /// Hidden states of the decoder: ids int32 [B, T] -> [B, T, embed_dim]. `encoder` is ignored by a decoder-only model.
  Variable decode(const Tensor& ids, const SharedPaddingMask& mask, const EncoderOutput& encoder, const Pass& pass) const;
  /// Scores of all tokens of the vocabulary: hidden [.., embed_dim] -> [.., vocab_size]. Those of an adaptive softmax are
  /// log-probabilities without a graph.
  Variable logits(const Variable& hidden, const Pass& pass) const;
  /// factor · Σ_r (-log p(target_r)) of a decoder's tokens, without an array of all scores: hidden [R, embed_dim], targets
  /// int32 [R], -1 = not counted. `label_smoothing` as in linear_cross_entropy; an adaptive softmax has none.
  Variable token_loss(const Variable& hidden, const Tensor& targets, double factor, const Pass& pass,
                      double label_smoothing = 0.0) const;
  /// The weight [vocab_size, embed_dim] that `logits` multiplies by: the embedding table if tied. Throws Error if the
  /// vocabulary is in bands.
  const Variable& output_weight() const;
  /// Scores of the classes: hidden states of the encoder [B, S, embed_dim] -> [B, num_classes]. Where `pair_features` is
  /// set, the second half of the items holds the partners of the first: [2B, S, embed_dim] -> [B, num_classes].
  Variable classify(const Variable& hidden, const SharedPaddingMask& mask, const Pass& pass) const;

  /// What the sum of each item's hidden states is divided by where they are pooled by their mean, in a batch that is padded
  /// to `padded` tokens; 0: by the number of its real tokens.
  std::int64_t pooling_divisor(std::int64_t padded) const;
  /// The second half of `classify`: pooled texts [B, embed_dim], or [2B, embed_dim], -> [B, num_classes].
  Variable classify_pooled(const Variable& pooled, const Pass& pass) const;

  const Transformer& encoder() const;
  const Transformer& decoder() const;
  /// The head that restores masked tokens of the encoder's input. Throws Error if the config has none.
  const LanguageModelHead& lm_head() const;

 private:
  Variable pool(const Variable& hidden, const SharedPaddingMask& mask) const;

  ModelConfig config_;
  ParameterStore store_;
  std::optional<Transformer> encoder_, decoder_;
  Variable output_projection_;
  std::optional<AdaptiveSoftmax> adaptive_softmax_;
  std::optional<LanguageModelHead> lm_head_;
  std::optional<ClassificationHead> classification_head_;
  std::vector<TiedName> tied_names_;
};

}  // namespace cosformer
