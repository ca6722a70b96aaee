#pragma once
/// \file
/// Adaptive input and adaptive softmax: large vocabularies in bands of falling frequency, the rarer the narrower.
///
/// The ids of a word tokenizer fall in frequency. With cutoffs c_1 < c_2 < …, band 0 has the ids below c_1, band i those
/// from c_i on, and vectors of width embed_dim / factor^i. Parameters have fairseq's names. Sources: Grave et al., ICML
/// 2017; Baevski and Auli, ICLR 2019; fairseq's adaptive_input.py and adaptive_softmax.py.

#include <vector>

#include "layers/basic_layers.h"
#include "layers/model_config.h"

namespace cosformer {

/// The size and width of each band of a config with cutoffs.
struct BandSize {
  std::int64_t tokens = 0;
  std::int64_t width = 0;
};
/// Throws InputError, tagged with the key, if the cutoffs do not rise below vocab_size or a band has no width.
std::vector<BandSize> adaptive_bands(const ModelConfig& config);

/// The share of a text's tokens that band `i` has if the n-th most frequent word has a share of 1 / n, as Zipf's law says
/// of words.
double band_share(const std::vector<BandSize>& bands, std::size_t i);

/// Token embeddings in bands: embeddings.I.0.weight [n_I, d_I] and embeddings.I.1.weight [embed_dim, d_I].
class AdaptiveEmbedding {
 public:
  AdaptiveEmbedding(const Scope& scope, const ModelConfig& config);

  /// ids int32, any shape -> [.., embed_dim].
  Variable forward(const Tensor& ids, const Pass& pass) const;
  /// Tables and projections, from the most frequent band on.
  const std::vector<AdaptiveBand>& bands() const { return bands_; }

 private:
  std::vector<AdaptiveBand> bands_;
};

/// The distribution of the next token. A head scores the words of band 0 and one cluster for each other band, a tail the
/// words of its band: tail.I.0.weight [d_(I+1), embed_dim] and tail.I.2.weight [n_(I+1), d_(I+1)].
///
/// With `tie_embeddings` the words' vectors are those of the input, and the head has only head.class_proj.weight [K,
/// embed_dim] of its own, otherwise head.weight [n_0 + K, embed_dim]. With `tie_adaptive_projections` the tails' projections
/// are those of the input, transposed.
class AdaptiveSoftmax {
 public:
  /// `scope` is "decoder.adaptive_softmax", `input` what is tied to.
  AdaptiveSoftmax(const Scope& scope, const ModelConfig& config, const AdaptiveEmbedding& input);

  /// factor · Σ_r (-log p(target_r)): hidden [R, embed_dim], targets int32 [R], -1 = not counted. While training,
  /// `adaptive_dropout` applies to the hidden states and between a tail's two products, as in fairseq.
  Variable loss(const Variable& hidden, const Tensor& targets, double factor, const Pass& pass) const;
  /// The log-probabilities of all tokens: hidden [.., embed_dim] -> [.., vocab_size], without a graph.
  Tensor log_probabilities(const Tensor& hidden) const;

 private:
  AdaptiveSoftmaxWeights weights(const Pass& pass) const;

  AdaptiveSoftmaxWeights weights_;
  double dropout_probability_;
  Dropout hidden_dropout_;
  std::vector<std::string> tail_streams_;
};

}  // namespace cosformer
