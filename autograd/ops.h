#pragma once
/// \file
/// The differentiable operations: the whole public list.
///
/// All take float32 or float64 (never mixed) and throw ShapeError, tagged with the operation's name, if shapes do not
/// fit. Letters: B batch, T queries, S keys, H heads, D head_dim, E embed_dim or value dim, R rows, V vocabulary.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "autograd/variable.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/feature_attention/unit_features.h"
#include "core/kernels/linear_attention/linear_attention.h"
#include "core/kernels/nystrom/landmark_values.h"
#include "core/kernels/sinkhorn/sinkhorn.h"
#include "core/kernels/sparse_attention/sparse_pattern.h"
#include "core/padding_mask.h"
#include "core/random.h"

namespace cosformer {

// ---- arithmetic (ops/arithmetic.cpp)

/// a + b, of one shape.
Variable add(const Variable& a, const Variable& b);
/// a - b, of one shape.
Variable subtract(const Variable& a, const Variable& b);
/// a ∘ b, element by element, of one shape.
Variable multiply(const Variable& a, const Variable& b);
/// x + rows, `rows` [T, E] added to every item of x [B, T, E].
Variable add_rows(const Variable& x, const Variable& rows);
/// factor · x.
Variable scale(const Variable& x, double factor);
/// Σ weights_i x_i, a scalar: a loss for tests. `weights` has x's shape.
Variable weighted_sum(const Variable& x, const Tensor& weights);
/// a · b, matrices [m, k] and [k, n].
Variable matmul(const Variable& a, const Variable& b);

// ---- shape (ops/shape.cpp)

/// The same elements under another shape.
Variable reshape(const Variable& x, const Shape& shape);
/// Elements [start, start + length) of an axis.
Variable narrow(const Variable& x, int axis, std::int64_t start, std::int64_t length);
/// a [.., m] and b [.., n] side by side -> [.., m + n].
Variable concatenate(const Variable& a, const Variable& b);
/// Row j of part i, [.., W], as row places[i][j] of the result, of `shape` [.., W]. Together the places are all rows, each
/// once (ops/merge_rows.cpp).
Variable merge_rows(const std::vector<Variable>& parts, const std::vector<Tensor>& places, const Shape& shape);
/// Sum over the real tokens of each item, divided by their number or, if `divisor` > 0, by that: x [B, T, E] -> [B, E].
/// An item without a real token gives 0.
Variable mean_pool(const Variable& x, const SharedPaddingMask& mask, std::int64_t divisor = 0);
/// Token 0 of each item: x [B, T, E] -> [B, E].
Variable first_token(const Variable& x);
/// x itself, which `a` and `b` have no influence on: their gradients are 0 instead of none (ops/without_influence.cpp).
Variable without_influence(const Variable& x, const Variable& a, const Variable& b);

// ---- elementwise (ops/activation.cpp)

Variable relu(const Variable& x);
/// x Φ(x), the exact erf form (Hendrycks and Gimpel, 2016).
Variable gelu(const Variable& x);
/// f(x + bias), bias [width] added to every row of x [.., width]: one pass over memory.
Variable bias_activation(const Variable& x, const Variable& bias, ScalarFunction f);
/// x ∘ f(z), of one shape: a gated linear unit with f = silu or gelu (Shazeer, 2020).
Variable gated_product(const Variable& x, const Variable& z, ScalarFunction f);
/// Each element is 0 with `probability`, else divided by 1 - probability. The mask is a function of `stream` and the
/// element's index; nothing is stored for the backward pass. 0 ≤ probability < 1.
Variable dropout(const Variable& x, double probability, const Random& stream);

// ---- layers (ops/linear.cpp, ops/layer_norm.cpp, ops/embedding.cpp)

/// x Wᵀ + b: x [.., in], weight [out, in], bias [out] or undefined -> [.., out].
Variable linear(const Variable& x, const Variable& weight, const Variable& bias);
/// The same for each head: x [B, T, H, D], weight [H, F, D], bias [H, F] or undefined -> [B, T, H, F] (ops/head_linear.cpp).
Variable head_linear(const Variable& x, const Variable& weight, const Variable& bias);
/// weight + factor · up · down: weight [out, in], down [rank, in], up [out, rank] -> [out, in] (ops/low_rank.cpp). Source:
/// Hu et al., LoRA, ICLR 2022, section 4.1.
Variable low_rank_sum(const Variable& weight, const Variable& down, const Variable& up, double factor);
/// x / sqrt(|x|² + eps) of each row, the last axis (ops/unit_rows.cpp).
Variable unit_rows(const Variable& x, double eps);
/// Normalises the last axis to mean 0 and variance 1, then weight ∘ x̂ + bias (Ba et al., 2016). The bias may be undefined.
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps);
/// x / sqrt(mean(x²) + eps) ∘ weight over the last axis (Zhang and Sennrich, 2019): weight [width].
Variable rms_norm(const Variable& x, const Variable& weight, double eps);
/// Rows of `table` [V, E] by `ids` (int32, any shape) -> [.., E]. Throws ShapeError for an id outside the table.
Variable embedding(const Variable& table, const Tensor& ids);

// ---- fused blocks of narrow models, which pass over the rows once (ops/norm_linear.cpp, ops/linear_residual.cpp,
// ops/feed_forward.cpp); the same values as the operations above one after the other

/// The parameters of a layer norm, [E] each.
struct NormWeights {
  Variable weight, bias;
  double eps = 1e-5;
};
/// The parameters of a linear layer: [out, in] and [out]; the bias may be undefined.
struct LinearWeights {
  Variable weight, bias;
};

/// Linear layers of one normalised input: x [.., E] -> norm(x) Wᵀ + b of each of `layers`.
std::vector<Variable> norm_linear(const Variable& x, const NormWeights& norm, std::span<const LinearWeights> layers);
/// residual + dropout(x Wᵀ + b): x [.., in], residual [.., out]. Nothing is dropped without a mask, which counts the
/// elements of the result.
Variable linear_residual(const Variable& x, const LinearWeights& layer, const Variable& residual,
                         const std::optional<DropoutMask>& dropout);
/// The dropouts of a feed-forward block, between its layers and of its result, each counting the elements of what it drops
/// from.
struct FeedForwardDropout {
  std::optional<DropoutMask> inner, outer;
};
/// x + outer(fc2(inner(f(fc1(norm(x)))))): x [.., E], fc1 [F, E], fc2 [E, F], both with biases.
Variable feed_forward(const Variable& x, const NormWeights& norm, const LinearWeights& fc1, const LinearWeights& fc2,
                      ScalarFunction f, const FeedForwardDropout& dropout = {});

// ---- attention (ops/softmax_attention.cpp, ops/linear_attention.cpp, ops/favor.cpp, ops/gated_linear_attention.cpp,
// ops/delta_attention.cpp, ops/project_length.cpp, ops/sparse_attention.cpp, ops/synthesized_attention.cpp,
// ops/sinkhorn.cpp, ops/landmarks.cpp, ops/feature_attention.cpp, ops/softmax_features.cpp)

/// Which keys a query sees; null masks mean that all positions are real.
struct AttentionMask {
  bool causal = false;           ///< query i sees keys j ≤ i
  SharedPaddingMask key_mask;    ///< [B, S]
  SharedPaddingMask query_mask;  ///< [B, T]: padded queries give outputs that nobody reads; lengths and positions matter
  /// Of softmax's weights, counted as [B, H, T, S]; linear attention, which has no such matrix, takes none.
  std::optional<DropoutMask> dropout = std::nullopt;
};

struct SoftmaxAttentionOptions {
  double scale = 1.0;
  std::int64_t window = -1;   ///< keys at most so many positions away; negative = no limit
  bool materialized = false;  ///< store the T×S matrix (the plain baseline)
  /// Of each head, what a score loses per position between query and key (ALiBi); empty: nothing.
  std::vector<double> distance_slopes = {};
};
/// Scaled dot-product attention: query [B, T, H, D], key [B, S, H, D], value [B, S, H, E] -> [B, T, H, E].
Variable softmax_attention(const Variable& query, const Variable& key, const Variable& value, const AttentionMask& mask,
                           const SoftmaxAttentionOptions& options);
/// The same over the keys that a pattern lists for each query, in time and memory of these: see
/// core/kernels/sparse_attention.
Variable sparse_attention(const Variable& query, const Variable& key, const Variable& value, const AttentionMask& mask,
                          const SharedSparsePattern& pattern, double scale);
/// Softmax attention whose scores are those of a table [H, L, L], by the positions of query and key: value [B, S, H, E] ->
/// [B, queries, H, E]. Throws ShapeError if a position lies outside the table.
Variable table_attention(const Variable& table, const Variable& value, const AttentionMask& mask, std::int64_t queries);
/// The same with scores a_i[p mod A] · b_i[p / A] of query i and a key at position p: a [B, T, H, A], b [B, T, H, B].
Variable factor_attention(const Variable& a, const Variable& b, const Variable& value, const AttentionMask& mask);
/// Linear attention, shapes as above; see core/kernels/linear_attention/linear_attention.h for the options.
Variable linear_attention(const Variable& query, const Variable& key, const Variable& value, const AttentionMask& mask,
                          const LinearAttentionOptions& options);
/// The state of a part's keys, [B, H, X, D], and attention of a part's queries to a state and, if causal, to the part's keys
/// (ops/linear_attention_part.cpp): see core/kernels/linear_attention/part.h. Shapes as above.
Variable linear_attention_key_sums(const Variable& key, const Variable& value, const AttentionMask& mask,
                                   const LinearAttentionOptions& options);
Variable linear_attention_part(const Variable& query, const Variable& key, const Variable& value, const Variable& state,
                               const AttentionMask& mask, const LinearAttentionOptions& options);
/// What causal attention with a state of each head goes on with, [B, H, numbers] as its kernel's step keeps them: constants,
/// which no gradient flows through.
struct CarriedState {
  Tensor before = {};        ///< before the first token; undefined: zeros. It stays as it is until the backward pass
  Tensor* behind = nullptr;  ///< becomes the state behind the last token, in memory of its own; null: not wanted
};
/// Gated linear attention, causal, with the gate z [B, T, H, D] of each token: see core/kernels/gated_attention. Shapes as
/// above with T = S.
Variable gated_linear_attention(const Variable& query, const Variable& key, const Variable& value, const Variable& gate,
                                const AttentionMask& mask, double scale, const CarriedState& carried = {});
/// Blocks that positions up to that of a batch's last token fill.
std::int64_t blocks_of(const SharedPaddingMask& mask, std::int64_t length, std::int64_t block_size);
/// The sum over each block's real tokens or, if `earlier`, over those of all blocks before it: x [B, S, H, D] ->
/// [B, blocks, H, D].
Variable sum_blocks(const Variable& x, const SharedPaddingMask& mask, std::int64_t block_size, std::int64_t blocks,
                    bool earlier);
/// exp(logits / temperature) with rows and columns divided by their sums in turn: logits [B, N, H, N or more] -> [B, H, N,
/// N], item b's with counts[b] rows and columns. Sources: Sinkhorn, 1964; Tay et al., ICML 2020.
Variable sinkhorn(const Variable& logits, const std::vector<std::int64_t>& counts, const SinkhornOptions& options);
/// Blocks as sums of blocks, place by place over real tokens: weights [B, H, N, N], x [B, S, H, D] ->
/// [B, N · block_size, H, D].
Variable mix_blocks(const Variable& weights, const Variable& x, const SharedPaddingMask& mask, std::int64_t block_size);
/// The delta rule, causal, with the share β [B, T, H] of each token's correction and, if it is defined, the logarithm [B, T,
/// H] of what the state keeps: see core/kernels/delta_attention. Shapes as above with T = S.
Variable delta_attention(const Variable& query, const Variable& key, const Variable& value, const Variable& beta,
                         const Variable& decay, const AttentionMask& mask, double scale, const CarriedState& carried = {});
/// −e^rate · softplus(z + bias): z [.., H], rate and bias [H]; see core/kernels/decay_logs.h.
Variable decay_logs(const Variable& z, const Variable& rate, const Variable& bias);
/// A text's positions summed with weights, those of `mask` that are real: x [B, S, H, E], weights [B, S, R] -> [B, R, H, E],
/// Σ_s weights_bsr x_bs. Source: Wang et al., Linformer, 2020.
Variable project_length(const Variable& x, const Variable& weights, const SharedPaddingMask& mask);
/// Performer's positive random features: x [B, T, H, D], projection [H, F, D] (constant) -> [B, T, H, F],
/// (exp(w_f·x' - |x'|²/2) + 1e-4) / sqrt(F) with x' = x / D^(1/4). Bounded by exp(|w_f|²/2), so no running maximum is
/// needed and a causal model sees nothing of the future. Source: Choromanski et al., ICLR 2021, eq. 7.
Variable favor_features(const Variable& x, const Tensor& projection);
/// Means over `count` segments of a text's real tokens: x [B, S, H, E] -> [B, count, H, E]. Segment r of c = min(count, n)
/// has the real tokens ⌊r n / c⌋ to ⌊(r + 1) n / c⌋ - 1 of n; rows from c on are 0. Source: Xiong et al., AAAI 2021.
Variable segment_means(const Variable& x, std::int64_t count, const SharedPaddingMask& mask);
/// Values moved to landmarks, which Nyström attention's queries read: query [B, P, H, D] and key [B, R, H, D] landmarks,
/// summary [B, P, H, E] -> [B, R, H, E]; see core/kernels/nystrom/landmark_values.h.
Variable landmark_values(const Variable& query, const Variable& key, const Variable& summary,
                         std::span<const LandmarkCounts> counts, const LandmarkOptions& options);
/// Item i of the batch from `a` if first[i] is set, else from `b`; one shape.
Variable choose_items(std::span<const std::uint8_t> first, const Variable& a, const Variable& b);
/// A filter [H, K] of each head over values x [B, S, H, E] -> [B, outputs, H, E], K odd, by the positions in the text that
/// `mask` gives queries and keys; see core/kernels/nystrom/value_convolution.h.
Variable value_convolution(const Variable& x, const Variable& filter, std::int64_t outputs, const AttentionMask& mask);
/// Random features of directions: x [B, T, H, D], sigma [H, D], projection [H, F, D] (constant) -> [B, T, H, F], or 2F with
/// sines and cosines; see core/kernels/feature_attention/unit_features.h.
Variable unit_features(const Variable& x, const Variable& sigma, const Tensor& projection, UnitFeatures kind);
/// Hedgehog's features of each row, [softmax(x), softmax(−x)]: x [.., F] -> [.., 2F]; see core/kernels/softmax_features.h.
Variable softmax_features(const Variable& x);
/// Linear attention between features, shapes as above, over a floor under its normaliser. `gate` [B, T, H, 1] (before its
/// sigmoid; causal only) or undefined, and a state that is carried (causal only): see
/// core/kernels/feature_attention/feature_attention.h.
Variable feature_attention(const Variable& query, const Variable& key, const Variable& value, const Variable& gate,
                           const AttentionMask& mask, double floor, const CarriedState& carried = {});

// ---- what heads go through before and after attention (ops/short_convolution.cpp, ops/rotate_positions.cpp,
// ops/cosine_features.cpp, ops/repeat_heads.cpp)

/// Each channel convolved over the K tokens that end with this one, by itself: x [B, T, E], weight [E, K] -> [B, T, E].
/// Padding counts as 0, and distances go by the mask's positions: see core/kernels/short_convolution.h.
Variable short_convolution(const Variable& x, const Variable& weight, const SharedPaddingMask& mask);
/// Rotary positions: x [B, T, H, D], whose pairs of channels (i, i + D/2) are turned by p · base^(−2i/D), p the mask's
/// positions or first, first + 1, ... D is even. Source: Su et al., RoFormer, 2021.
Variable rotate_positions(const Variable& x, const SharedPaddingMask& mask, std::int64_t first, double base);
/// A cosine for each channel: x [B, T, H, D], angles theta [H, D] -> [B, T, H, 2D], (x cos(p theta), x sin(p theta)) at the
/// positions p of the mask, or first, first + 1, ...: see core/kernels/cosine_features.h.
Variable cosine_features(const Variable& x, const Variable& theta, const SharedPaddingMask& mask, std::int64_t first);
/// Each head `times` times, copies side by side: x [B, T, H, D] -> [B, T, H · times, D]. For heads of queries that share
/// keys and values (Ainslie et al., 2023).
Variable repeat_heads(const Variable& x, std::int64_t times);

// ---- losses (ops/cross_entropy.cpp, ops/squared_error.cpp)

/// factor · Σ (x − target)², a scalar, of one shape; no gradient flows into the target.
Variable squared_error(const Variable& x, const Tensor& target, double factor);

/// factor · Σ_r (-log softmax(logits_r)[target_r]): logits [R, V], targets int32 [R], -1 = not counted.
Variable cross_entropy(const Variable& logits, const Tensor& targets, double factor, double label_smoothing = 0.0);
/// The same from hidden states: logits = hidden · weightᵀ + bias, computed in row tiles and never stored as a whole. hidden
/// [R, E], weight [V, E], bias [V] or undefined. The gradients are computed in the same sweep as the loss.
/// Where `cluster_weight` [C, E] is defined, it gives C classes more, V ... V + C - 1, and the bias is [V + C].
Variable linear_cross_entropy(const Variable& hidden, const Variable& weight, const Variable& bias, const Tensor& targets,
                              double factor, double label_smoothing = 0.0, const Variable& cluster_weight = Variable());

// ---- large vocabularies in bands of falling frequency (ops/adaptive.cpp): band i has n_i tokens, whose ids follow those of
// band i - 1, and vectors of its own width d_i

/// One band of an adaptive input embedding.
struct AdaptiveBand {
  Variable table;       ///< [n_i, d_i]
  Variable projection;  ///< [E, d_i]
};
/// Rows of the bands' tables, each projected to width E: ids (int32, any shape) -> [.., E]. Throws ShapeError for an id
/// outside the bands. Source: Baevski and Auli, ICLR 2019.
Variable adaptive_embedding(std::span<const AdaptiveBand> bands, const Tensor& ids);

/// A band of an adaptive softmax behind the first.
struct AdaptiveTail {
  Variable projection;      ///< [d_i, E] or, if `transposed`, [E, d_i]
  Variable weight;          ///< [n_i, d_i]
  bool transposed = false;  ///< the projection is that of an adaptive input
};
/// The parameters of an adaptive softmax with K tails.
struct AdaptiveSoftmaxWeights {
  Variable words;     ///< [n_0, E] or, with the rows of the clusters at their end, [n_0 + K, E]
  Variable clusters;  ///< [K, E]; undefined if `words` holds them
  std::vector<AdaptiveTail> tails;
};
/// Dropout between a tail's two products; tail i draws from noise[i].
struct TailDropout {
  double probability = 0;
  std::span<const Random> noise;
};
/// factor · Σ_r (-log p(target_r)) with the exact probabilities of an adaptive softmax: a token of the first band has
/// p = head(token), one of band i > 0 has p = head(cluster i) · tail_i(token). hidden [R, E], targets int32 [R], -1 = not
/// counted. A tail reads the rows of its own tokens alone, and no [R, V] array exists. Source: Grave et al., ICML 2017.
Variable adaptive_cross_entropy(const Variable& hidden, const AdaptiveSoftmaxWeights& weights, const Tensor& targets,
                                double factor, const TailDropout& dropout = {});

}  // namespace cosformer
