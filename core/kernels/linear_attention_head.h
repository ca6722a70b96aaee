#pragma once
/// \file
/// One head of linear attention, and the steps that its forms share. Internal to the linear_attention_*.cpp files.
///
/// "Rotated" rows hold [x cos θ | x sin θ]; "extended" ones end with one more column for the normaliser: [v | 1], [a | b].
/// See README.md for the derivation.

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "core/kernels/attention_tiles.h"
#include "core/kernels/linear_attention.h"

namespace cosformer::detail {

/// cos θ and sin θ of consecutive positions; null without re-weighting.
template <class T>
struct Angles {
  const T* cosines = nullptr;
  const T* sines = nullptr;

  explicit operator bool() const { return cosines != nullptr; }
  Angles from(std::int64_t position) const { return cosines ? Angles{cosines + position, sines + position} : Angles{}; }
};

/// cos and sin of (p + 1) · step of every token of every item, where token i stands at position p. Without positions p = i,
/// and items with equal steps share a pair of rows.
template <class T>
class AngleTable {
 public:
  /// `positions` is [steps.size(), length] or null. Without steps the table is empty and `item` gives no angles.
  AngleTable(std::span<const double> steps, std::int64_t length, const std::int32_t* positions);

  Angles<T> item(std::int64_t b) const {
    if (row_of_item_.empty()) return {};
    const std::int64_t row = row_of_item_[static_cast<std::size_t>(b)];
    return {rows_[2 * row], rows_[2 * row + 1]};
  }

 private:
  std::vector<std::int64_t> row_of_item_;
  Scratch<T> rows_;
};

/// The inputs of one head.
template <class T>
struct LinearHead {
  std::int64_t queries = 0;    ///< T
  std::int64_t keys = 0;       ///< S
  std::int64_t head_dim = 0;   ///< D
  std::int64_t value_dim = 0;  ///< E
  bool causal = false;
  FeatureMap map = FeatureMap::relu;
  AttentionNormalization normalization = AttentionNormalization::sum;
  Rows<const T> query, key, value;
  const std::uint8_t* key_mask = nullptr;  ///< [S] or null
  Angles<T> query_angles, key_angles;

  /// Copies of a row in its rotated form: cos and sin, or the row alone.
  std::int64_t parts() const { return query_angles ? 2 : 1; }
  const std::uint8_t* mask_from(std::int64_t j) const { return key_mask == nullptr ? nullptr : key_mask + j; }
  bool masked(std::int64_t j) const { return key_mask != nullptr && key_mask[j] == 0; }
};

/// Where the forward pass of one head writes.
template <class T>
struct LinearHeadOutput {
  Rows<T> out;
  Rows<T> normalizer;  ///< one column
  T* saved = nullptr;  ///< of the linear form: Σ_j [v_j | 1]~ᵀ φ(k_j) (X × D) of all keys; null = not kept
};

/// What the backward pass of one head reads and writes beside the inputs.
template <class T>
struct LinearHeadGradients {
  Rows<const T> out;
  Rows<const T> normalizer;  ///< one column
  const T* saved = nullptr;  ///< as the forward pass left it
  Rows<const T> dout;
  Rows<T> dquery, dkey, dvalue;
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

/// The chunked form takes heads of one item side by side, chunk by chunk: their rows lie next to each other in memory, and reading
/// a head alone would use one cache line in a few of every page.
template <class T>
void chunked_forward(std::span<const LinearHead<T>> heads, std::int64_t chunk_size, std::span<const LinearHeadOutput<T>> outputs);
template <class T>
void chunked_backward(std::span<const LinearHead<T>> heads, std::int64_t chunk_size,
                      std::span<const LinearHeadGradients<T>> gradients);

/// One token: state [W, E + 1] += k̃ᵀ [v | 1], out = q̃ᵀ state / guard.
template <class T>
void recurrent_step(const LinearHead<T>& head, Rows<T> state, T* out);

/// The form that is not causal runs over all heads at once: it also cuts the length where there are few. `heads` are B · H in
/// number, H of them of each item.
template <class T>
void linear_forward(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item,
                    std::span<const LinearHeadOutput<T>> outputs);
template <class T>
void linear_backward(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item,
                     std::span<const LinearHeadGradients<T>> gradients);

/// sign(D) · max(|D|, floor), sign(0) = +1; NaN stays NaN.
template <class T>
T guarded(T normalizer) {
  constexpr T kFloor = static_cast<T>(kNormalizerFloor);
  if (!(std::abs(normalizer) < kFloor)) return normalizer;
  return normalizer < 0 ? -kFloor : kFloor;
}

template <class T>
bool guard_is_active(T normalizer) {
  return std::abs(normalizer) < static_cast<T>(kNormalizerFloor);
}

/// target = φ(source) for `count` rows; rows whose mask is 0 become 0.
template <class T>
void feature_rows(FeatureMap map, std::int64_t count, std::int64_t width, Rows<const T> source, const std::uint8_t* mask,
                  Rows<T> target);

/// dx = φ'(x) · dfeature for `count` rows; rows whose mask is 0 become 0.
template <class T>
void feature_gradient_rows(FeatureMap map, std::int64_t count, std::int64_t width, Rows<const T> x, const std::uint8_t* mask,
                           Rows<const T> dfeature, Rows<T> dx);

/// target row = [x cos θ | x sin θ], or x where there are no angles.
template <class T>
void rotate_rows(std::int64_t count, std::int64_t width, Rows<const T> x, Angles<T> angles, Rows<T> target);

/// The same for extended rows [x | y]: [x cos θ | x sin θ | y cos θ | y sin θ], or [x | y] where there are no angles.
template <class T>
void rotate_extended_rows(std::int64_t count, std::int64_t width, Rows<const T> x, Angles<T> angles, Rows<T> target);

/// b_i = -(dout_i · out_i) / D_i, or 0 where the guard is active.
template <class T>
void normalizer_gradients(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                          std::int64_t value_dim, T* target);

/// target row = [a | b] with a_i = dout_i / guard(D_i).
template <class T>
void extended_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                            std::int64_t value_dim, const T* normalizer_gradients, Rows<T> target);
/// The same with b taken on the way.
template <class T>
void extended_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                            std::int64_t value_dim, Rows<T> target);

/// target row = [v | 1]; rows whose mask is 0 become 0.
template <class T>
void extended_value_rows(std::int64_t count, std::int64_t value_dim, Rows<const T> value, const std::uint8_t* mask,
                         Rows<T> target);

}  // namespace cosformer::detail
