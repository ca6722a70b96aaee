#include <algorithm>
#include <cmath>

#include "core/kernels/linear_attention/head.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

namespace {

/// φ(x) of one token in its rotated form.
template <class T>
void rotated_feature(ScalarFunction map, std::int64_t head_dim, const T* x, const Factors<T>& factors,
                     ScratchMatrix<T>& feature, ScratchMatrix<T>& rotated) {
  feature_rows<T>(map, 1, head_dim, {x, 0}, nullptr, feature.view());
  rotate_rows<T>(1, head_dim, feature.view(), factors, rotated.view());
}

/// state [W, E + 1] += k̃ᵀ [v | 1], out = q̃ᵀ state / guard; the head's part of the public step.
template <class T>
T read_state(const LinearHead<T>& head, std::int64_t rows, std::int64_t value_dim, MatrixView<const T> state, const T* query,
             T* sums, T* out) {
  std::fill(sums, sums + value_dim + 1, T{0});
  for (std::int64_t w = 0; w < rows; ++w) loops<T>().add_scaled(query[w], state[w], sums, value_dim + 1);
  const T normalizer = normalizer_of_sum(head, sums[value_dim]);
  loops<T>().scale(1 / guarded(normalizer), sums, out, value_dim);
  return normalizer;
}

/// What a sum over the keys up to token t - 1 is multiplied by before token t comes.
template <class T>
T carry_to(const LinearHead<T>& head, std::int64_t t) {
  return head.carried && t > 0 ? head.weights[head.key_position(t) - head.key_position(t - 1)] : T{1};
}

template <class T>
void add_outer_product(std::int64_t rows, std::int64_t columns, const T* x, const T* y, MatrixView<T> state) {
  for (std::int64_t w = 0; w < rows; ++w) loops<T>().add_scaled(x[w], y, state[w], columns);
}

/// dx = φ'(x) · Σ_p f_p · part p.
template <class T>
void unrotated_gradient(const LinearHead<T>& head, const T* x, const Factors<T>& factors, ScratchMatrix<T>& rotated, T* dx) {
  const std::int64_t D = head.head_dim;
  if (factors) loops<T>().scale(*factors.rows[0], rotated[0], rotated[0], D);
  for (std::int64_t part = 1; part < factors.parts; ++part) {
    loops<T>().add_scaled(*factors.rows[part], rotated[0] + part * D, rotated[0], D);
  }
  feature_gradient_rows<T>(head.map, 1, D, {x, 0}, nullptr, rotated.view(), {dx, 0});
}

}  // namespace

template <class T>
void recurrent_forward(const LinearHead<T>& head, const LinearHeadOutput<T>& output) {
  const std::int64_t D = head.head_dim, E = head.value_dim, W = head.parts() * D;
  ScratchMatrix<T> state(W, E + 1), feature(1, D), rotated(1, W), value(1, E + 1), sums(1, E + 1);
  state.fill_zero();
  for (std::int64_t t = 0; t < head.queries; ++t) {
    carry_rows(carry_to(head, t), W, E + 1, state.view());
    if (!head.masked(t)) {
      rotated_feature(head.map, D, head.key[t], head.key_factors.from(t), feature, rotated);
      extended_value_rows<T>(1, E, head.value.from(t), nullptr, value.view());
      add_outer_product<T>(W, E + 1, rotated[0], value[0], state.view());
    }
    rotated_feature(head.map, D, head.query[t], head.query_factors.from(t), feature, rotated);
    *output.normalizer[t] = read_state<T>(head, W, E, state.view(), rotated[0], sums[0], output.out[t]);
  }
}

template <class T>
void recurrent_backward(const LinearHead<T>& head, const LinearHeadGradients<T>& gradients) {
  const std::int64_t D = head.head_dim, E = head.value_dim, W = head.parts() * D;
  ScratchMatrix<T> state(W, E + 1), feature(1, D), rotated(1, W), value(1, E + 1), a(1, E + 1), gradient(1, W);
  // Queries: the prefix state, from the first token on.
  state.fill_zero();
  for (std::int64_t t = 0; t < head.queries; ++t) {
    carry_rows(carry_to(head, t), W, E + 1, state.view());
    if (!head.masked(t)) {
      rotated_feature(head.map, D, head.key[t], head.key_factors.from(t), feature, rotated);
      extended_value_rows<T>(1, E, head.value.from(t), nullptr, value.view());
      add_outer_product<T>(W, E + 1, rotated[0], value[0], state.view());
    }
    extended_gradient_rows<T>(gradients, t, 1, E, a.view());
    for (std::int64_t w = 0; w < W; ++w) gradient[0][w] = loops<T>().dot(state[w], a[0], E + 1);
    unrotated_gradient(head, head.query[t], head.query_factors.from(t), gradient, gradients.dquery[t]);
  }
  // Keys and values: the suffix state, from the last token on.
  state.fill_zero();
  for (std::int64_t t = head.queries - 1; t >= 0; --t) {
    if (t + 1 < head.queries) carry_rows(carry_to(head, t + 1), W, E + 1, state.view());
    extended_gradient_rows<T>(gradients, t, 1, E, a.view());
    rotated_feature(head.map, D, head.query[t], head.query_factors.from(t), feature, rotated);
    add_outer_product<T>(W, E + 1, rotated[0], a[0], state.view());
    if (head.masked(t)) {
      zero_rows(1, D, gradients.dkey.from(t));
      zero_rows(1, E, gradients.dvalue.from(t));
      continue;
    }
    rotated_feature(head.map, D, head.key[t], head.key_factors.from(t), feature, rotated);
    extended_value_rows<T>(1, E, head.value.from(t), nullptr, value.view());
    zero_rows(1, E, gradients.dvalue.from(t));
    for (std::int64_t w = 0; w < W; ++w) {
      gradient[0][w] = loops<T>().dot(state[w], value[0], E + 1);
      loops<T>().add_scaled(rotated[0][w], state[w], gradients.dvalue[t], E);
    }
    unrotated_gradient(head, head.key[t], head.key_factors.from(t), gradient, gradients.dkey[t]);
  }
}

template <class T>
void recurrent_step(const LinearHead<T>& head, MatrixView<T> state, T* out) {
  const std::int64_t D = head.head_dim, E = head.value_dim, W = head.parts() * D;
  ScratchMatrix<T> feature(1, D), rotated(1, W), value(1, E + 1), sums(1, E + 1);
  if (head.carried) carry_rows(head.weights[1], W, E + 1, state);
  rotated_feature(head.map, D, head.key[0], head.key_factors, feature, rotated);
  extended_value_rows<T>(1, E, head.value, nullptr, value.view());
  add_outer_product<T>(W, E + 1, rotated[0], value[0], state);
  rotated_feature(head.map, D, head.query[0], head.query_factors, feature, rotated);
  read_state<T>(head, W, E, state, rotated[0], sums[0], out);
}

template void recurrent_forward<float>(const LinearHead<float>&, const LinearHeadOutput<float>&);
template void recurrent_forward<double>(const LinearHead<double>&, const LinearHeadOutput<double>&);
template void recurrent_backward<float>(const LinearHead<float>&, const LinearHeadGradients<float>&);
template void recurrent_backward<double>(const LinearHead<double>&, const LinearHeadGradients<double>&);
template void recurrent_step<float>(const LinearHead<float>&, MatrixView<float>, float*);
template void recurrent_step<double>(const LinearHead<double>&, MatrixView<double>, double*);

}  // namespace cosformer::detail
