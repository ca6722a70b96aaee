#pragma once
/// \file
/// What a model is made of: plain values, filled from the [model] and [attention] tables of a config.

#include <cstdint>
#include <string>
#include <vector>

#include "core/kernels/scalar_function.h"

namespace cosformer {

enum class ModelKind : std::uint8_t { decoder, encoder, encoder_decoder };
enum class NormPlacement : std::uint8_t { pre, post };
/// What positions are told apart by: a table, sines, nothing, heads that are turned (rope), or scores that fall with the
/// distance (alibi).
enum class Positions : std::uint8_t { learned, sinusoidal, none, rope, alibi };
enum class NormKind : std::uint8_t { layer, rms };
/// The feed-forward block: fc2(f(fc1(x))), or a gated linear unit fc2(fc1(x) ∘ f(fc_gate(x))) with f = silu or gelu.
enum class FeedForwardKind : std::uint8_t { mlp, swiglu, geglu };
/// What a head's output is multiplied by, a function of the layer's input.
enum class OutputGate : std::uint8_t { none, silu, sigmoid };
enum class Pooling : std::uint8_t { mean, first };
/// What the classification head sees of a pair of pooled texts a and b: nothing (single texts), [a, b], or [a, b, a∘b, a-b].
enum class PairFeatures : std::uint8_t { none, concat, interaction };
/// What mean pooling divides by: an item's real tokens, the batch's padded length, or a number.
enum class PoolingDivisor : std::uint8_t { real, padded, fixed };

/// Where the length M of a re-weighting comes from: `automatic` is one constant in a causal model and each item's own length
/// otherwise; `padded` is the batch's padded length, as in the authors' code. See layers/attention/reweighting_length.h.
enum class ReweightingLength : std::uint8_t { automatic, padded, fixed };

/// What the angle of a position is a share of in cross-attention: one M for all texts; M for both sides, the longer of the
/// two where no number is given (the paper's); or each side's own length (which takes queries and keys at the same share of
/// their texts for neighbours).
enum class CrossReweighting : std::uint8_t { fixed_length, shared_length, own_lengths };

/// How linear layers start: `xavier` as fairseq's (uniform by Glorot and Bengio, smaller for query, key and value, biases
/// 0), `pytorch` as PyTorch's own (weights and biases uniform in ±1 / sqrt(inputs)).
enum class LinearStart : std::uint8_t { xavier, pytorch };

/// Where in an encoder-decoder an attention stands.
enum class AttentionPlace : std::uint8_t { encoder, decoder_self, cross };

/// attention.num_features for a head of width d: d log d.
inline constexpr std::int64_t kDLogD = -1;

/// attention.seed: that of the parameters.
inline constexpr std::int64_t kSeedOfModel = -1;

struct AttentionConfig {
  std::string kind = "cosformer";    ///< a name of the attention registry
  std::vector<std::string> layers;   ///< kinds of the layers of a stack, repeated to its end; empty = `kind` in all
  std::string feature_map = "relu";  ///< a name of the feature maps (linear attention)
  std::string reweighting = "none";  ///< a name of the re-weightings (linear attention)
  ReweightingLength reweighting_length = ReweightingLength::automatic;
  std::int64_t reweighting_length_value = 0;  ///< M if `reweighting_length` is fixed
  std::int64_t causal_length = 0;  ///< M of causal attention if no other number counts; no key: the task's or model's
  double decay = 0.0;              ///< γ of every head (reweighting = decay); 0 = 1 − 2^(−5 − h) of head h
  /// sum, l1: what a row of similarities is divided by; rms: nothing, and each head's output is normed (linear attention)
  std::string normalization = "sum";
  std::string form = "auto";              ///< auto, quadratic, linear, chunked, recurrent (linear attention)
  std::int64_t chunk_size = 48;           ///< rows per chunk (linear attention, chunked form)
  std::int64_t num_features = 0;          ///< directions a head (favor, rfa, hedgehog); 0 = head_dim, or kDLogD
  std::int64_t redraw_every = 0;          ///< training steps from one draw of them to the next; 0 = none (favor, rfa)
  std::int64_t seed = kSeedOfModel;       ///< of draws that are no parameters (AttentionSupport::draws), or kSeedOfModel
  std::int64_t window = 128;              ///< |i - j| ≤ window (local attention)
  std::int64_t diagonal_block = 64;       ///< positions of a block that sees itself alone (diagonal)
  std::int64_t projected_length = 64;     ///< positions that a text is projected to (linformer)
  std::int64_t num_landmarks = 64;        ///< segments whose means stand for a text (nystrom)
  std::int64_t pinv_iterations = 6;       ///< of the landmarks' pseudo-inverse (nystrom)
  std::int64_t conv_kernel_size = 33;     ///< taps of the filter over values; odd, or 0 = none (nystrom)
  std::string feature_kind = "gaussian";  ///< a name of the features of directions (rfa)
  bool recency_gate = false;              ///< the state forgets by a learned gate of each head (rfa)

  // Patterns of sparse attention, with the defaults of their papers.
  std::int64_t longformer_window = 256;  ///< |i - j| ≤ window: 512 keys in all
  std::int64_t longformer_globals = 1;   ///< first tokens that all see and that see all
  std::int64_t bigbird_block_size = 64;
  std::int64_t bigbird_window_blocks = 3;  ///< odd: the own block and as many on each side
  std::int64_t bigbird_global_blocks = 2;  ///< first blocks that all see and that see all
  std::int64_t bigbird_random_blocks = 3;  ///< of each block and head
  std::string sparse_pattern = "fixed";    ///< fixed, strided
  std::int64_t sparse_stride = 128;        ///< length of the window and the stride, or of the fixed blocks
  std::int64_t sparse_summary = 32;        ///< keys of each other block (fixed)
  std::int64_t reformer_rounds = 4;        ///< hashes of each token
  std::int64_t reformer_chunk = 64;        ///< keys of a bucket that stand together
  std::int64_t reformer_buckets = 0;       ///< 0 = half a chunk in each of the longest text
  std::int64_t sinkhorn_block = 64;
  std::int64_t sinkhorn_iterations = 7;  ///< how often rows and columns are balanced
  double sinkhorn_temperature = 0.75;
  bool sinkhorn_noise = true;  ///< Gumbel noise on the sorting network's results while training

  std::string synthesizer = "dense";  ///< dense, factorized_dense, random, factorized_random
  std::int64_t synthesizer_rank = 8;  ///< of the matrix of scores (factorized_random)

  // Of an encoder-decoder; the other options are those above in all three places.
  std::string encoder = "auto";               ///< kind of the encoder's attention; auto = `kind`
  std::string self = "auto";                  ///< kind of the decoder's attention to itself
  std::string cross = "auto";                 ///< kind of the decoder's attention to the encoder
  std::int64_t self_reweighting_length = 0;   ///< M of the decoder's attention to itself; 0 = `reweighting_length`
  std::int64_t cross_reweighting_length = 0;  ///< M of fixed_length; 0 = `reweighting_length`
  CrossReweighting cross_reweighting = CrossReweighting::fixed_length;
  double dropout = 0.0;  ///< of the attention weights, of kinds that have them (AttentionSupport::has_weights)

  OutputGate output_gate = OutputGate::none;
  std::int64_t short_convolution = 0;  ///< tokens that query, key and value are each convolved over; 0 = none

  // What the model decides for its attentions; no keys of [attention].
  bool bias = true;            ///< projections have biases
  bool rotary = false;         ///< queries and keys are turned by their positions
  double rotary_base = 10000;  ///< the largest wavelength is about 2π times this, in positions
  bool alibi = false;          ///< scores fall with the distance (softmax)
  std::int64_t kv_heads = 0;   ///< heads of keys and values; 0 = as many as of queries
};

/// Low-rank adapters beside linear layers; see layers/low_rank_adapter.h.
struct LoraConfig {
  std::int64_t rank = 0;                                 ///< 0 = no adapters
  double alpha = 16.0;                                   ///< an adapter's product is multiplied by alpha / rank
  std::vector<std::string> targets = {"*_attn.*_proj"};  ///< patterns of the names of the layers that get one
};

/// What of a model is trained. With adapters their parameters are, and those that `trainable` names; without adapters those
/// that it names, or all if it names none.
struct Adaptation {
  LoraConfig lora;
  std::vector<std::string> trainable;  ///< patterns of parameters' names
};

struct ModelConfig {
  ModelKind kind = ModelKind::decoder;
  std::int64_t num_layers = 4;
  std::int64_t embed_dim = 256;
  std::int64_t num_heads = 4;
  std::int64_t num_kv_heads = 0;  ///< heads of keys and values, each shared by as many heads of queries; 0 = num_heads
  std::int64_t ffn_dim = 1024;
  std::int64_t vocab_size = 0;  ///< 0 = the tokenizer's
  std::int64_t max_length = 0;  ///< positions a learned table has; 0 = the task's seq_len
  LinearStart linear_start = LinearStart::xavier;
  double embedding_std = 0.0;       ///< of the token embeddings' first values; 0 = embed_dim^(-1/2)
  bool scale_embeddings = false;    ///< token embeddings times sqrt(embed_dim)
  double dropout = 0.0;             ///< of embeddings, attention and feed-forward outputs
  double activation_dropout = 0.0;  ///< between the feed-forward block's two layers
  NormPlacement norm = NormPlacement::pre;
  NormKind norm_kind = NormKind::layer;
  double norm_eps = 1e-5;       ///< added to the variance (layer) or the mean square (rms)
  bool embedding_norm = false;  ///< a norm of the sum of token and position embeddings
  bool final_norm = true;       ///< a last norm behind all layers, with `norm` = pre
  ScalarFunction activation = ScalarFunction::gelu;
  FeedForwardKind ffn_kind = FeedForwardKind::mlp;
  bool bias = true;  ///< of the linear layers and norms of all layers
  Positions positions = Positions::learned;
  double rope_theta = 10000;  ///< base of the wavelengths, with `positions` = rope
  bool tie_embeddings = true;
  bool share_embeddings = false;               ///< an encoder-decoder with one table of token embeddings for both
  std::vector<std::int64_t> adaptive_cutoffs;  ///< first ids of the bands behind the first one; see layers/adaptive.h
  double adaptive_factor = 4.0;                ///< how much narrower each band is than the one before
  bool tie_adaptive_projections = false;       ///< the adaptive softmax's tails project with the matrices of the input
  double adaptive_dropout = 0.0;               ///< of what the adaptive softmax reads, and within its tails
  bool lm_head = false;                        ///< an encoder with a head that restores masked tokens
  std::int64_t num_classes = 0;                ///< > 0: an encoder with a classification head
  Pooling pooling = Pooling::mean;
  PoolingDivisor pooling_divisor = PoolingDivisor::real;
  std::int64_t pooling_divisor_value = 0;  ///< where `pooling_divisor` is fixed
  std::int64_t classifier_dim = 0;         ///< inner width of the classification head; 0 = embed_dim
  PairFeatures pair_features = PairFeatures::none;
  AttentionConfig attention;
  Adaptation adaptation;
};

}  // namespace cosformer
