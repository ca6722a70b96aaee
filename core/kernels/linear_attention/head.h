#pragma once
/// \file
/// One head of linear attention, and the steps that its forms share. Internal to this folder.
///
/// "Rotated" rows hold [x f_0 | x f_1 | ..], the re-weighting's factors beside each other; "extended" ones end with one more
/// column for the normaliser: [v | 1], [a | b]. See README.md for the derivation.

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "core/kernels/attention/attention_tiles.h"
#include "core/kernels/linear_attention/linear_attention.h"

namespace cosformer::detail {

/// The factors f_p of a re-weighting at consecutive positions; none if rows are not rotated.
template <class T>
struct Factors {
  static constexpr std::int64_t kMostParts = 2;
  const T* rows[kMostParts] = {};
  std::int64_t parts = 0;

  explicit operator bool() const { return parts > 0; }
  Factors from(std::int64_t position) const {
    Factors moved{{}, parts};
    for (std::int64_t part = 0; part < parts; ++part) moved.rows[part] = rows[part] + position;
    return moved;
  }
};

/// f_p((i + 1) · step) for i from `first` to first + length - 1, in rows[p].
void fill_factors(const ReweightingKind& kind, double step, std::int64_t first, std::int64_t length, float* const* rows);
void fill_factors(const ReweightingKind& kind, double step, std::int64_t first, std::int64_t length, double* const* rows);

/// What an operation's heads share of their re-weighting: factors of queries and keys, and r(d · step) of distances d.
template <class T>
class ReweightingTables {
 public:
  ReweightingTables(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                    const LinearAttentionOptions& options);

  Factors<T> query_factors(std::int64_t b, std::int64_t h) const { return queries_.of(b, h); }
  Factors<T> key_factors(std::int64_t b, std::int64_t h) const { return keys_.of(b, h); }
  /// r(d · step) for d from 0 to the longest distance that the form asks for; null without re-weighting.
  const T* weights(std::int64_t b, std::int64_t h) const {
    if (row_of_step_.empty()) return nullptr;
    return weights_[row_of_step_[static_cast<std::size_t>(of_heads_ ? h : b)]];
  }

 private:
  /// Factors of one side. Without positions those of equal steps share rows.
  class Side {
   public:
    Side(const ReweightingKind& kind, std::span<const double> steps, const AttentionSizes& sizes, std::int64_t length,
         const std::int32_t* positions, std::int64_t first_position);
    Factors<T> of(std::int64_t b, std::int64_t h) const;

   private:
    std::int64_t parts_, per_item_ = 0, per_head_ = 0;  ///< slots that an item and a head further is
    std::vector<std::int64_t> row_of_slot_;
    ScratchMatrix<T> rows_;
  };

  bool of_heads_;
  Side queries_, keys_;
  std::vector<std::int64_t> row_of_step_;
  ScratchMatrix<T> weights_;
};

/// The inputs of one head.
template <class T>
struct LinearHead {
  std::int64_t queries = 0;    ///< T
  std::int64_t keys = 0;       ///< S
  std::int64_t head_dim = 0;   ///< D
  std::int64_t value_dim = 0;  ///< E
  bool causal = false;
  ScalarFunction map = ScalarFunction::relu;
  AttentionNormalization normalization = AttentionNormalization::sum;
  MatrixView<const T> query, key, value;
  const std::uint8_t* key_mask = nullptr;  ///< [S] or null
  Factors<T> query_factors, key_factors;
  const T* weights = nullptr;  ///< r(d · step) of distances d; null without re-weighting
  bool carried = false;        ///< the sum over earlier keys is multiplied by r as it moves on
  /// Σ_j [v_j | 1]~ᵀ φ(k_j) (X × D) over the keys before the first, of a part of a text; null: there are none.
  const T* state = nullptr;
  const std::int32_t *query_positions = nullptr, *key_positions = nullptr;  ///< null: 0, 1, 2, ...

  /// Numbers of a sum Σ_j [v_j | 1]~ᵀ φ(k_j), X · D.
  std::int64_t state_size() const { return parts() * (value_dim + 1) * head_dim; }
  /// Copies of a row in its rotated form, or the row alone.
  std::int64_t parts() const { return query_factors ? query_factors.parts : 1; }
  std::int64_t query_position(std::int64_t i) const { return query_positions == nullptr ? i : query_positions[i]; }
  std::int64_t key_position(std::int64_t j) const { return key_positions == nullptr ? j : key_positions[j]; }
  const std::uint8_t* mask_from(std::int64_t j) const { return key_mask == nullptr ? nullptr : key_mask + j; }
  bool masked(std::int64_t j) const { return key_mask != nullptr && key_mask[j] == 0; }
};

/// Where the forward pass of one head writes.
template <class T>
struct LinearHeadOutput {
  MatrixView<T> out;
  MatrixView<T> normalizer;  ///< one column
  T* saved = nullptr;        ///< of the linear form: Σ_j [v_j | 1]~ᵀ φ(k_j) (X × D) of all keys; null = not kept
};

/// What the backward pass of one head reads and writes beside the inputs.
template <class T>
struct LinearHeadGradients {
  MatrixView<const T> out;
  MatrixView<const T> normalizer;  ///< one column
  const T* saved = nullptr;        ///< as the forward pass left it
  MatrixView<const T> dout;
  MatrixView<T> dquery, dkey, dvalue;
  bool divides = true;  ///< false: the normaliser is the constant 1
  T* dstate = nullptr;  ///< of LinearHead::state; null: not wanted
};

/// The forms, one head at a time; each has a file of its own. Inside a loop of `parallel_for`.
template <class T>
void quadratic_forward(const LinearHead<T>& head, const LinearHeadOutput<T>& output);
template <class T>
void quadratic_backward(const LinearHead<T>& head, const LinearHeadGradients<T>& gradients);
template <class T>
void recurrent_forward(const LinearHead<T>& head, const LinearHeadOutput<T>& output);
template <class T>
void recurrent_backward(const LinearHead<T>& head, const LinearHeadGradients<T>& gradients);

/// The chunked form takes heads of one item side by side, chunk by chunk: their rows lie next to each other in memory, and
/// reading a head alone would use one cache line in a few of every page.
template <class T>
void chunked_forward(std::span<const LinearHead<T>> heads, std::int64_t chunk_size,
                     std::span<const LinearHeadOutput<T>> outputs);
template <class T>
void chunked_backward(std::span<const LinearHead<T>> heads, std::int64_t chunk_size,
                      std::span<const LinearHeadGradients<T>> gradients);

/// One token: state [W, E + 1] += k̃ᵀ [v | 1], out = q̃ᵀ state / guard.
template <class T>
void recurrent_step(const LinearHead<T>& head, MatrixView<T> state, T* out);

/// The form that is not causal runs over all heads at once: it also cuts the length if there are few. `heads` are B · H
/// in number, H of them of each item.
template <class T>
void linear_forward(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item,
                    std::span<const LinearHeadOutput<T>> outputs);
template <class T>
void linear_backward(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item,
                     std::span<const LinearHeadGradients<T>> gradients);

/// The halves of these two, between which parts of a text add up their sums; those of each head (X × D) follow one
/// another. Σ_j [v_j | 1]~ᵀ φ(k_j) of the heads' keys:
template <class T>
void linear_key_sums(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item, T* sums);
/// Outputs from such sums over all keys.
template <class T>
void linear_read_sums(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item, const T* sums,
                      std::span<const LinearHeadOutput<T>> outputs);
/// dquery, with such sums over all keys in LinearHeadGradients::saved, and their gradient, Σ_i [a_i | b_i]~ᵀ φ(q_i).
template <class T>
void linear_query_gradient(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item,
                           std::span<const LinearHeadGradients<T>> gradients, T* dsums);
/// dkey and dvalue from the gradient of the sums.
template <class T>
void linear_key_value_gradient(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item, const T* dsums,
                               std::span<const LinearHeadGradients<T>> gradients);

/// sign(D) · max(|D|, floor), sign(0) = +1; NaN stays NaN.
template <class T>
T guarded(T normalizer) {
  constexpr T kFloor = static_cast<T>(kNormalizerFloor);
  if (!(std::abs(normalizer) < kFloor)) return normalizer;
  return normalizer < 0 ? -kFloor : kFloor;
}

/// D of a row whose similarities sum to `sum`.
template <class T>
T normalizer_of_sum(const LinearHead<T>& head, T sum) {
  return head.normalization == AttentionNormalization::one ? T{1} : sum;
}

template <class T>
bool guard_is_active(T normalizer) {
  return std::abs(normalizer) < static_cast<T>(kNormalizerFloor);
}

/// target = φ(source) for `count` rows; rows whose mask is 0 become 0.
template <class T>
void feature_rows(ScalarFunction map, std::int64_t count, std::int64_t width, MatrixView<const T> source,
                  const std::uint8_t* mask, MatrixView<T> target);

/// dx = φ'(x) · dfeature for `count` rows; rows whose mask is 0 become 0.
template <class T>
void feature_gradient_rows(ScalarFunction map, std::int64_t count, std::int64_t width, MatrixView<const T> x,
                           const std::uint8_t* mask, MatrixView<const T> dfeature, MatrixView<T> dx);

/// target row = [x f_0 | x f_1], or x if there are no factors.
template <class T>
void rotate_rows(std::int64_t count, std::int64_t width, MatrixView<const T> x, const Factors<T>& factors,
                 MatrixView<T> target);

/// The same for extended rows [x | y]: [x f_0 | x f_1 | y f_0 | y f_1], or [x | y] if there are no factors.
template <class T>
void rotate_extended_rows(std::int64_t count, std::int64_t width, MatrixView<const T> x, const Factors<T>& factors,
                          MatrixView<T> target);

/// Multiplies the rows of a sum by what it is carried with; 1 leaves them alone.
template <class T>
void carry_rows(T factor, std::int64_t rows, std::int64_t width, MatrixView<T> sums);

/// b_i = -(dout_i · out_i) / D_i, or 0 if the guard is active or D_i is a constant.
template <class T>
void normalizer_gradients(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                          std::int64_t value_dim, T* target);

/// target row = [a | b] with a_i = dout_i / guard(D_i).
template <class T>
void extended_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                            std::int64_t value_dim, const T* normalizer_gradients, MatrixView<T> target);
/// The same with b taken on the way.
template <class T>
void extended_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                            std::int64_t value_dim, MatrixView<T> target);

/// target row = [v | 1]; rows whose mask is 0 become 0.
template <class T>
void extended_value_rows(std::int64_t count, std::int64_t value_dim, MatrixView<const T> value, const std::uint8_t* mask,
                         MatrixView<T> target);

}  // namespace cosformer::detail
