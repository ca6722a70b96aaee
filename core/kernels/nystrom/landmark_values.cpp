#include "core/kernels/nystrom/landmark_values.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/attention_tiles.h"
#include "core/kernels/matmul/gemm.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::MatrixView;
using detail::rows_of;
using detail::ScratchMatrix;

constexpr Transpose kPlain = Transpose::no, kTurned = Transpose::yes;

template <class T>
void product(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
             MatrixView<const T> a, MatrixView<const T> b, bool accumulate, MatrixView<T> c) {
  gemm<T>(transpose_a, transpose_b, m, n, k, a.data, a.stride, b.data, b.stride, accumulate, c.data, c.stride);
}

template <class T>
void scale_matrix(std::int64_t rows, std::int64_t columns, T factor, MatrixView<T> x) {
  for (std::int64_t i = 0; i < rows; ++i) loops<T>().scale(factor, x[i], x[i], columns);
}

/// x = diagonal · I - x, square.
template <class T>
void subtract_from_diagonal(std::int64_t size, T diagonal, MatrixView<T> x) {
  scale_matrix<T>(size, size, T{-1}, x);
  for (std::int64_t i = 0; i < size; ++i) x[i][i] += diagonal;
}

/// The matrix A of one item and head, P query landmarks by R key landmarks, and its pseudo-inverse with all that led to it.
template <class T>
class LandmarkInverse {
 public:
  LandmarkInverse(std::int64_t P, std::int64_t R, std::int64_t iterations)
      : P_(P), R_(R), a_(P, R), x_(P, P), p_(P, P), q_(P, P), r_(P, P) {
    for (std::int64_t i = 0; i <= iterations; ++i) z_.emplace_back(R, P);
  }

  void compute(std::int64_t D, T scale, MatrixView<const T> query, MatrixView<const T> key) {
    product<T>(kPlain, kTurned, P_, R_, D, query, key, false, a_.view());
    for (std::int64_t i = 0; i < P_; ++i) {
      const T shift = scale * loops<T>().max(a_[i], R_);
      const T sum = loops<T>().exp_sum(a_[i], scale, shift, a_[i], R_);
      loops<T>().scale(1 / sum, a_[i], a_[i], R_);
    }
    const ScratchMatrix<T> sums(1, R_);
    std::fill_n(sums[0], R_, T{0});
    for (std::int64_t i = 0; i < P_; ++i) loops<T>().add_scaled(T{1}, a_[i], sums[0], R_);
    widest_ = std::max_element(sums[0], sums[0] + R_) - sums[0];
    norm_ = sums[0][widest_];
    for (std::int64_t j = 0; j < R_; ++j) {
      for (std::int64_t i = 0; i < P_; ++i) z_[0][j][i] = a_[i][j] / norm_;
    }
    for (std::size_t step = 0; step + 1 < z_.size(); ++step) {
      open_step(step);
      product<T>(kPlain, kPlain, R_, P_, P_, z_[step].view(), r_.view(), false, z_[step + 1].view());
      scale_matrix<T>(R_, P_, T{0.25}, z_[step + 1].view());
    }
  }

  MatrixView<T> a() const { return a_.view(); }
  MatrixView<T> inverse() const { return z_.back().view(); }

  /// dL/dA from dL/d(inverse), which it overwrites.
  void backward(MatrixView<T> dz, MatrixView<T> da) {
    const ScratchMatrix<T> dearlier(R_, P_), dx(P_, P_), dr(P_, P_), dq(P_, P_), dp(P_, P_);
    detail::zero_rows<T>(P_, R_, da);
    for (std::size_t step = z_.size() - 1; step-- > 0;) {
      open_step(step);
      // The differences 13 I - XQ, 15 I - XP and 7 I - X turn signs: dr and dq are kept negated.
      product<T>(kTurned, kPlain, P_, P_, R_, z_[step].view(), dz, false, dr.view());
      scale_matrix<T>(P_, P_, T{-0.25}, dr.view());
      product<T>(kPlain, kTurned, P_, P_, P_, dr.view(), q_.view(), false, dx.view());
      product<T>(kTurned, kPlain, P_, P_, P_, x_.view(), dr.view(), false, dq.view());
      scale_matrix<T>(P_, P_, T{-1}, dq.view());
      product<T>(kPlain, kTurned, P_, P_, P_, dq.view(), p_.view(), true, dx.view());
      product<T>(kTurned, kPlain, P_, P_, P_, x_.view(), dq.view(), false, dp.view());
      for (std::int64_t i = 0; i < P_; ++i) loops<T>().add_scaled(T{-1}, dp[i], dx[i], P_);
      product<T>(kPlain, kTurned, R_, P_, P_, dz, r_.view(), false, dearlier.view());
      scale_matrix<T>(R_, P_, T{0.25}, dearlier.view());
      product<T>(kTurned, kPlain, R_, P_, P_, a_.view(), dx.view(), true, dearlier.view());
      product<T>(kPlain, kTurned, P_, R_, P_, dx.view(), z_[step].view(), true, da);
      detail::copy_rows<T>(R_, P_, dearlier.view(), nullptr, dz);
    }
    // Z₀ = Aᵀ / norm, and the norm is the sum of A's widest column.
    T dnorm = 0;
    for (std::int64_t j = 0; j < R_; ++j) dnorm -= loops<T>().dot(dz[j], z_[0][j], P_) / norm_;
    for (std::int64_t i = 0; i < P_; ++i) {
      for (std::int64_t j = 0; j < R_; ++j) da[i][j] += dz[j][i] / norm_;
      da[i][widest_] += dnorm;
    }
  }

 private:
  /// X = A Z of a step, and P, Q and R around it.
  void open_step(std::size_t step) {
    product<T>(kPlain, kPlain, P_, P_, R_, a_.view(), z_[step].view(), false, x_.view());
    detail::copy_rows<T>(P_, P_, x_.view(), nullptr, p_.view());
    subtract_from_diagonal<T>(P_, T{7}, p_.view());
    product<T>(kPlain, kPlain, P_, P_, P_, x_.view(), p_.view(), false, q_.view());
    subtract_from_diagonal<T>(P_, T{15}, q_.view());
    product<T>(kPlain, kPlain, P_, P_, P_, x_.view(), q_.view(), false, r_.view());
    subtract_from_diagonal<T>(P_, T{13}, r_.view());
  }

  std::int64_t P_, R_;
  ScratchMatrix<T> a_, x_, p_, q_, r_;
  std::vector<ScratchMatrix<T>> z_;
  std::int64_t widest_ = 0;
  T norm_ = 1;
};

void check_arguments(const AttentionSizes& sizes, std::span<const LandmarkCounts> counts, const LandmarkOptions& options) {
  check<ShapeError>(static_cast<std::int64_t>(counts.size()) == sizes.batch, "[landmark values] ", counts.size(),
                    " counts for a batch of ", sizes.batch);
  for (const LandmarkCounts& count : counts) {
    check<ShapeError>(count.queries >= 0 && count.keys >= 0 && count.queries <= sizes.queries && count.keys <= sizes.keys,
                      "[landmark values] ", count.queries, " and ", count.keys, " landmarks in ", sizes.queries, " and ",
                      sizes.keys, " rows");
  }
  check<ShapeError>(options.iterations >= 1 && options.scale > 0,
                    "[landmark values] expected at least one iteration and a scale above 0, found ", options.iterations,
                    " and ", options.scale);
}

}  // namespace

template <class T>
void landmark_values_forward(const AttentionSizes& sizes, std::span<const LandmarkCounts> counts,
                             const LandmarkOptions& options, Heads<const T> query, Heads<const T> key,
                             Heads<const T> summary, Heads<T> out) {
  check_arguments(sizes, counts, options);
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    const auto [P, R] = counts[static_cast<std::size_t>(b)];
    const MatrixView<T> u = rows_of(out, b, h);
    if (P == 0 || R == 0) return detail::zero_rows<T>(sizes.keys, sizes.value_dim, u);
    LandmarkInverse<T> landmarks(P, R, options.iterations);
    landmarks.compute(sizes.head_dim, static_cast<T>(options.scale), rows_of(query, b, h), rows_of(key, b, h));
    product<T>(kPlain, kPlain, R, sizes.value_dim, P, landmarks.inverse(), rows_of(summary, b, h), false, u);
    detail::zero_rows<T>(sizes.keys - R, sizes.value_dim, u.from(R));
  });
}

template <class T>
void landmark_values_backward(const AttentionSizes& sizes, std::span<const LandmarkCounts> counts,
                              const LandmarkOptions& options, Heads<const T> query, Heads<const T> key,
                              Heads<const T> summary, Heads<const T> dout, const Gradient<T>& dquery,
                              const Gradient<T>& dkey, const Gradient<T>& dsummary) {
  check_arguments(sizes, counts, options);
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  const detail::WrittenGradient<T> queries(dquery, sizes.batch, sizes.queries, sizes.heads, D),
      keys(dkey, sizes.batch, sizes.keys, sizes.heads, D), summaries(dsummary, sizes.batch, sizes.queries, sizes.heads, E);
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    const auto [P, R] = counts[static_cast<std::size_t>(b)];
    const MatrixView<T> dq = rows_of(queries.heads(), b, h), dk = rows_of(keys.heads(), b, h),
                        dw = rows_of(summaries.heads(), b, h);
    const bool empty = P == 0 || R == 0;
    detail::zero_rows<T>(empty ? sizes.queries : sizes.queries - P, D, empty ? dq : dq.from(P));
    detail::zero_rows<T>(empty ? sizes.keys : sizes.keys - R, D, empty ? dk : dk.from(R));
    detail::zero_rows<T>(empty ? sizes.queries : sizes.queries - P, E, empty ? dw : dw.from(P));
    if (empty) return;
    const T scale = static_cast<T>(options.scale);
    LandmarkInverse<T> landmarks(P, R, options.iterations);
    landmarks.compute(D, scale, rows_of(query, b, h), rows_of(key, b, h));
    const ScratchMatrix<T> dz(R, P), da(P, R);
    product<T>(kTurned, kPlain, P, E, R, landmarks.inverse(), rows_of(dout, b, h), false, dw);
    product<T>(kPlain, kTurned, R, P, E, rows_of(dout, b, h), rows_of(summary, b, h), false, dz.view());
    landmarks.backward(dz.view(), da.view());
    for (std::int64_t i = 0; i < P; ++i) {
      loops<T>().softmax_gradient(landmarks.a()[i], loops<T>().dot(landmarks.a()[i], da[i], R), da[i], R);
      loops<T>().scale(scale, da[i], da[i], R);
    }
    product<T>(kPlain, kPlain, P, D, R, da.view(), rows_of(key, b, h), false, dq);
    product<T>(kTurned, kPlain, R, D, P, da.view(), rows_of(query, b, h), false, dk);
  });
  queries.finish();
  keys.finish();
  summaries.finish();
}

std::int64_t landmark_working_size(std::int64_t queries, std::int64_t keys, const LandmarkOptions& options) {
  return 8 * queries * queries + (4 + options.iterations) * queries * keys;
}

#define COSFORMER_INSTANTIATE(T)                                                                                            \
  template void landmark_values_forward<T>(const AttentionSizes&, std::span<const LandmarkCounts>, const LandmarkOptions&,  \
                                           Heads<const T>, Heads<const T>, Heads<const T>, Heads<T>);                       \
  template void landmark_values_backward<T>(const AttentionSizes&, std::span<const LandmarkCounts>, const LandmarkOptions&, \
                                            Heads<const T>, Heads<const T>, Heads<const T>, Heads<const T>,                 \
                                            const Gradient<T>&, const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
