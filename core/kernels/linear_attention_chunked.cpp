#include <algorithm>

#include "core/kernels/linear_attention_head.h"
#include "core/simd.h"

namespace cosformer::detail {

namespace {

/// cos(θ_i - θ_j) of a chunk, a table of 2C - 1 numbers: row i of the lower triangle starts at `lower(i)`, its element j is
/// 0 for j > i; row j of its transpose starts at `upper(j)`, its element i is 0 for i < j.
template <class T>
class ChunkWeights {
 public:
  /// `cosines` holds cos((d + 1) · step) for d < size - 1, or is null without re-weighting.
  ChunkWeights(const T* cosines, std::int64_t size) : table_(2, 2 * size), size_(size) {
    table_.fill_zero();
    for (std::int64_t distance = 0; distance < size; ++distance) {
      const T weight = cosines == nullptr || distance == 0 ? T{1} : cosines[distance - 1];
      table_[0][size - 1 - distance] = weight;
      table_[1][size - 1 + distance] = weight;
    }
  }
  const T* lower(std::int64_t i) const { return table_[0] + size_ - 1 - i; }
  const T* upper(std::int64_t j) const { return table_[1] + size_ - 1 - j; }

 private:
  Scratch<T> table_;
  std::int64_t size_;
};

/// Calls `visit(begin, count)` for each chunk, in order.
template <class Visit>
void for_each_chunk(std::int64_t length, std::int64_t chunk_size, Visit&& visit) {
  for (std::int64_t begin = 0; begin < length; begin += chunk_size) visit(begin, std::min(chunk_size, length - begin));
}

template <class Visit>
void for_each_chunk_from_end(std::int64_t length, std::int64_t chunk_size, Visit&& visit) {
  for (std::int64_t begin = (length - 1) / chunk_size * chunk_size; begin >= 0; begin -= chunk_size) {
    visit(begin, std::min(chunk_size, length - begin));
  }
}

}  // namespace

template <class T>
void chunked_forward(const LinearHead<T>& head, std::int64_t chunk_size, const LinearHeadOutput<T>& output) {
  const std::int64_t length = head.queries, D = head.head_dim, E = head.value_dim, W = head.parts() * D;
  const std::int64_t C = std::min(chunk_size, length);
  const ChunkWeights<T> weights(head.query_angles.cosines, C);
  // One product gives the outputs of a chunk: [q̃ | scores] · [state ; v].
  const Scratch<T> left(C, W + C), right(W + C, E), phi_q(C, D), phi_k(C, D), rotated_k(C, W), sums(C, E);
  Scratch<T> z(1, W);
  zero_rows(W, E, right.rows());
  z.fill_zero();
  for_each_chunk(length, C, [&](std::int64_t begin, std::int64_t count) {
    const bool first = begin == 0, last = begin + count == length;
    feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q.rows());
    feature_rows(head.map, count, D, head.key.from(begin), head.mask_from(begin), phi_k.rows());
    copy_rows(count, E, head.value.from(begin), head.mask_from(begin), right.from(W));
    multiply<T>(Transpose::no, Transpose::yes, count, count, D, phi_q.rows(), phi_k.rows(), false, left.from(0, W));
    for (std::int64_t i = 0; i < count; ++i) {
      const T* weight = weights.lower(i);
      T* score = left[i] + W;
      for (std::int64_t j = 0; j < count; ++j) score[j] *= weight[j];
    }
    if (first) {
      multiply<T>(Transpose::no, Transpose::no, count, E, count, left.from(0, W), right.from(W), false, sums.rows());
    } else {
      rotate_rows<T>(count, D, phi_q.rows(), head.query_angles.from(begin), left.rows());
      multiply<T>(Transpose::no, Transpose::no, count, E, W + count, left.rows(), right.rows(), false, sums.rows());
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const T intra = row_sum(left[i] + W, i + 1);
      const T normalizer = first ? intra : intra + row_dot(left[i], z[0], W);
      *output.normalizer[begin + i] = normalizer;
      row_scale(1 / guarded(normalizer), sums[i], output.out[begin + i], E);
    }
    if (last) return;
    rotate_rows<T>(count, D, phi_k.rows(), head.key_angles.from(begin), rotated_k.rows());
    multiply<T>(Transpose::yes, Transpose::no, W, E, count, rotated_k.rows(), right.from(W), true, right.rows());
    for (std::int64_t i = 1; i < count; ++i) row_add_scaled(T{1}, rotated_k[i], rotated_k[0], W);
    row_add_scaled(T{1}, rotated_k[0], z[0], W);
  });
}

namespace {

/// dquery, from the prefix state kept as Σ [v | 1]~ᵀ φ(k), (E + 1) parts × D.
template <class T>
void chunked_query_gradient(const LinearHead<T>& head, std::int64_t C, const ChunkWeights<T>& weights,
                            const LinearHeadGradients<T>& gradients) {
  const std::int64_t D = head.head_dim, E = head.value_dim, X = head.parts() * (E + 1);
  const Scratch<T> left(C, X + C), right(X + C, D), values(C, E + 1), a(C, E + 1), rotated_values(C, X), dphi_q(C, D);
  zero_rows(X, D, right.rows());
  for_each_chunk(head.queries, C, [&](std::int64_t begin, std::int64_t count) {
    feature_rows(head.map, count, D, head.key.from(begin), head.mask_from(begin), right.from(X));
    extended_value_rows(count, E, head.value.from(begin), head.mask_from(begin), values.rows());
    normalizer_gradient_rows(gradients, begin, count, E, a.rows());
    multiply<T>(Transpose::no, Transpose::yes, count, count, E + 1, a.rows(), values.rows(), false, left.from(0, X));
    for (std::int64_t i = 0; i < count; ++i) {
      const T* weight = weights.lower(i);
      T* dscore = left[i] + X;
      for (std::int64_t j = 0; j < count; ++j) dscore[j] *= weight[j];
    }
    rotate_extended_rows<T>(count, E, a.rows(), head.query_angles.from(begin), left.rows());
    multiply<T>(Transpose::no, Transpose::no, count, D, X + count, left.rows(), right.rows(), false, dphi_q.rows());
    feature_gradient_rows<T>(head.map, count, D, head.query.from(begin), nullptr, dphi_q.rows(),
                             gradients.dquery.from(begin));
    if (begin + count == head.queries) return;
    rotate_extended_rows<T>(count, E, values.rows(), head.key_angles.from(begin), rotated_values.rows());
    multiply<T>(Transpose::yes, Transpose::no, X, D, count, rotated_values.rows(), right.from(X), true, right.rows());
  });
}

/// dkey and dvalue, from the suffix state kept both as Σ [a | b]~ᵀ φ(q) for the keys and as Σ q̃ᵀ a for the values.
template <class T>
void chunked_key_value_gradient(const LinearHead<T>& head, std::int64_t C, const ChunkWeights<T>& weights,
                                const LinearHeadGradients<T>& gradients) {
  const std::int64_t D = head.head_dim, E = head.value_dim, W = head.parts() * D, X = head.parts() * (E + 1);
  // The chunk's own rows come last, as in the other pass.
  const Scratch<T> key_left(C, X + C), key_right(X + C, D), value_left(C, W + C), value_right(W + C, E + 1);
  const Scratch<T> phi_k(C, D), values(C, E + 1), rotated_a(C, X), rotated_q(C, W), dphi_k(C, D), dvalues(C, E);
  zero_rows(X, D, key_right.rows());
  zero_rows(W, E, value_right.rows());
  for_each_chunk_from_end(head.queries, C, [&](std::int64_t begin, std::int64_t count) {
    const Rows<T> phi_q = key_right.from(X), a = value_right.from(W);
    const Angles<T> angles = head.key_angles.from(begin);
    feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q);
    feature_rows(head.map, count, D, head.key.from(begin), head.mask_from(begin), phi_k.rows());
    extended_value_rows(count, E, head.value.from(begin), head.mask_from(begin), values.rows());
    normalizer_gradient_rows(gradients, begin, count, E, a);
    multiply<T>(Transpose::no, Transpose::yes, count, count, E + 1, values.rows(), a, false, key_left.from(0, X));
    multiply<T>(Transpose::no, Transpose::yes, count, count, D, phi_k.rows(), phi_q, false, value_left.from(0, W));
    for (std::int64_t j = 0; j < count; ++j) {
      const T* weight = weights.upper(j);
      T *dscore = key_left[j] + X, *score = value_left[j] + W;
      for (std::int64_t i = 0; i < count; ++i) dscore[i] *= weight[i];
      for (std::int64_t i = 0; i < count; ++i) score[i] *= weight[i];
    }
    rotate_extended_rows<T>(count, E, values.rows(), angles, key_left.rows());
    rotate_rows<T>(count, D, phi_k.rows(), angles, value_left.rows());
    multiply<T>(Transpose::no, Transpose::no, count, D, X + count, key_left.rows(), key_right.rows(), false, dphi_k.rows());
    multiply<T>(Transpose::no, Transpose::no, count, E, W + count, value_left.rows(), value_right.rows(), false,
                dvalues.rows());
    feature_gradient_rows<T>(head.map, count, D, head.key.from(begin), head.mask_from(begin), dphi_k.rows(),
                             gradients.dkey.from(begin));
    copy_rows<T>(count, E, dvalues.rows(), head.mask_from(begin), gradients.dvalue.from(begin));
    if (begin == 0) return;
    rotate_extended_rows<T>(count, E, a, angles, rotated_a.rows());
    rotate_rows<T>(count, D, phi_q, angles, rotated_q.rows());
    multiply<T>(Transpose::yes, Transpose::no, X, D, count, rotated_a.rows(), phi_q, true, key_right.rows());
    multiply<T>(Transpose::yes, Transpose::no, W, E, count, rotated_q.rows(), a, true, value_right.rows());
  });
}

}  // namespace

template <class T>
void chunked_backward(const LinearHead<T>& head, std::int64_t chunk_size, const LinearHeadGradients<T>& gradients) {
  const std::int64_t C = std::min(chunk_size, head.queries);
  const ChunkWeights<T> weights(head.query_angles.cosines, C);
  chunked_query_gradient(head, C, weights, gradients);
  chunked_key_value_gradient(head, C, weights, gradients);
}

template void chunked_forward<float>(const LinearHead<float>&, std::int64_t, const LinearHeadOutput<float>&);
template void chunked_forward<double>(const LinearHead<double>&, std::int64_t, const LinearHeadOutput<double>&);
template void chunked_backward<float>(const LinearHead<float>&, std::int64_t, const LinearHeadGradients<float>&);
template void chunked_backward<double>(const LinearHead<double>&, std::int64_t, const LinearHeadGradients<double>&);

}  // namespace cosformer::detail
