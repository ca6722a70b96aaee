#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/kernels/linear_attention/head.h"

namespace cosformer::detail {

namespace {

/// Queries whose scores are held at once.
constexpr std::int64_t kQueryBlock = 128;

/// row_j *= Σ_p f_p(query) f_p(key j).
template <class T>
void multiply_by_factors(const Factors<T>& query, const Factors<T>& keys, std::int64_t count, T* row) {
  const bool two = query.parts == 2;
  const T first = *query.rows[0], second = two ? *query.rows[1] : T{0};
  const T *firsts = keys.rows[0], *seconds = keys.rows[two ? 1 : 0];
  for (std::int64_t j = 0; j < count; ++j) row[j] *= first * firsts[j] + second * seconds[j];
}

/// scores_ij *= r(i - j) for `count` queries from `begin` on and keys j < `keys`; 0 for keys that the query does not
/// see.
template <class T>
void reweight_and_mask(const LinearHead<T>& head, std::int64_t begin, std::int64_t count, std::int64_t keys,
                       MatrixView<T> scores) {
  for (std::int64_t i = 0; i < count; ++i) {
    T* row = scores[i];
    const std::int64_t visible = head.causal ? std::min(keys, begin + i + 1) : keys;
    if (head.query_factors) {
      multiply_by_factors(head.query_factors.from(begin + i), head.key_factors, visible, row);
    } else if (head.weights != nullptr) {
      const std::int64_t position = head.query_position(begin + i);
      for (std::int64_t j = 0; j < visible; ++j) row[j] *= head.weights[std::abs(position - head.key_position(j))];
    }
    std::fill(row + visible, row + keys, T{0});
  }
}

/// D of one row of similarities.
template <class T>
T row_normalizer(AttentionNormalization normalization, const T* scores, std::int64_t keys) {
  if (normalization == AttentionNormalization::one) return T{1};
  T sum = 0;
  if (normalization == AttentionNormalization::l1) {
    for (std::int64_t j = 0; j < keys; ++j) sum += std::abs(scores[j]);
  } else {
    for (std::int64_t j = 0; j < keys; ++j) sum += scores[j];
  }
  return sum;
}

/// dscores_ij += b_i · sign(s_ij), sign(0) = 0: what the L1 norm adds to the gradient of a similarity.
template <class T>
void add_norm_gradient(std::int64_t count, std::int64_t keys, MatrixView<const T> scores, const MatrixView<T>& a,
                       std::int64_t value_dim, MatrixView<T> dscores) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T b = a[i][value_dim];
    const T* s = scores[i];
    T* row = dscores[i];
    for (std::int64_t j = 0; j < keys; ++j) row[j] += s[j] > 0 ? b : s[j] < 0 ? -b : T{0};
  }
}

}  // namespace

template <class T>
void quadratic_forward(const LinearHead<T>& head, const LinearHeadOutput<T>& output) {
  const std::int64_t D = head.head_dim, E = head.value_dim, S = head.keys;
  const ScratchMatrix<T> phi_k(S, D), turned_k(D, S), values(S, E), phi_q(kQueryBlock, D), scores(kQueryBlock, S),
      sums(kQueryBlock, E);
  feature_rows(head.map, S, D, head.key, head.key_mask, phi_k.view());
  transpose<T>(S, D, phi_k.view(), turned_k.view());
  copy_rows(S, E, head.value, head.key_mask, values.view());
  for (std::int64_t begin = 0; begin < head.queries; begin += kQueryBlock) {
    const std::int64_t count = std::min(kQueryBlock, head.queries - begin);
    const std::int64_t keys = head.causal ? begin + count : S;
    feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q.view());
    multiply<T>(count, keys, D, phi_q.view(), turned_k.view(), false, scores.view());
    reweight_and_mask(head, begin, count, keys, scores.view());
    multiply<T>(count, E, keys, scores.view(), values.view(), false, sums.view());
    for (std::int64_t i = 0; i < count; ++i) {
      const T normalizer = row_normalizer<T>(head.normalization, scores[i], keys);
      *output.normalizer[begin + i] = normalizer;
      const T inverse = 1 / guarded(normalizer);
      for (std::int64_t e = 0; e < E; ++e) output.out[begin + i][e] = sums[i][e] * inverse;
    }
  }
}

template <class T>
void quadratic_backward(const LinearHead<T>& head, const LinearHeadGradients<T>& gradients) {
  const std::int64_t D = head.head_dim, E = head.value_dim, S = head.keys;
  const ScratchMatrix<T> phi_k(S, D), turned_k(D, S), values(S, E + 1), turned_values(E + 1, S), phi_q(kQueryBlock, D),
      a(kQueryBlock, E + 1);
  const ScratchMatrix<T> scores(kQueryBlock, S), dscores(kQueryBlock, S), dphi_q(kQueryBlock, D);
  ScratchMatrix<T> dphi_k(S, D), dvalues(S, E);
  dphi_k.fill_zero();
  dvalues.fill_zero();
  feature_rows(head.map, S, D, head.key, head.key_mask, phi_k.view());
  extended_value_rows(S, E, head.value, head.key_mask, values.view());
  transpose<T>(S, D, phi_k.view(), turned_k.view());
  transpose<T>(S, E + 1, values.view(), turned_values.view());
  for (std::int64_t begin = 0; begin < head.queries; begin += kQueryBlock) {
    const std::int64_t count = std::min(kQueryBlock, head.queries - begin);
    const std::int64_t keys = head.causal ? begin + count : S;
    feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q.view());
    extended_gradient_rows<T>(gradients, begin, count, E, a.view());
    multiply<T>(count, keys, D, phi_q.view(), turned_k.view(), false, scores.view());
    reweight_and_mask(head, begin, count, keys, scores.view());
    // The column of ones that ends the values adds b_i for every key; the L1 norm's term has the similarity's sign.
    const bool l1 = head.normalization == AttentionNormalization::l1;
    multiply<T>(count, keys, l1 ? E : E + 1, a.view(), turned_values.view(), false, dscores.view());
    if (l1) add_norm_gradient<T>(count, keys, scores.view(), a.view(), E, dscores.view());
    reweight_and_mask(head, begin, count, keys, dscores.view());
    multiply<T>(count, D, keys, dscores.view(), phi_k.view(), false, dphi_q.view());
    multiply<T>(keys, D, count, Factor<T>::transposed(dscores.view()), phi_q.view(), true, dphi_k.view());
    multiply<T>(keys, E, count, Factor<T>::transposed(scores.view()), a.view(), true, dvalues.view());
    feature_gradient_rows<T>(head.map, count, D, head.query.from(begin), nullptr, dphi_q.view(),
                             gradients.dquery.from(begin));
  }
  feature_gradient_rows<T>(head.map, S, D, head.key, head.key_mask, dphi_k.view(), gradients.dkey);
  copy_rows<T>(S, E, dvalues.view(), head.key_mask, gradients.dvalue);
}

template void quadratic_forward<float>(const LinearHead<float>&, const LinearHeadOutput<float>&);
template void quadratic_forward<double>(const LinearHead<double>&, const LinearHeadOutput<double>&);
template void quadratic_backward<float>(const LinearHead<float>&, const LinearHeadGradients<float>&);
template void quadratic_backward<double>(const LinearHead<double>&, const LinearHeadGradients<double>&);

}  // namespace cosformer::detail
