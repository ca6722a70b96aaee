#include "core/kernels/softmax_features.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

std::int64_t rows_per_piece(std::int64_t width) { return kElementwiseGrain / std::max<std::int64_t>(width, 1) + 1; }

/// The softmax of a row in its place.
template <class T>
void softmax_row(T* row, std::int64_t width) {
  const T sum = loops<T>().exp_sum(row, T{1}, loops<T>().max(row, width), row, width);
  loops<T>().scale(1 / sum, row, row, width);
}

}  // namespace

template <class T>
void softmax_features_forward(std::int64_t rows, std::int64_t width, const T* x, T* out) {
  parallel_ranges(rows, rows_per_piece(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T *positive = out + 2 * i * width, *negative = positive + width;
      std::copy_n(x + i * width, width, positive);
      loops<T>().scale(T{-1}, x + i * width, negative, width);
      softmax_row(positive, width);
      softmax_row(negative, width);
    }
  });
}

template <class T>
void softmax_features_backward(std::int64_t rows, std::int64_t width, const T* out, const T* dout, const Gradient<T>& dx) {
  T* sums = begin_sum(dx, rows * width);
  if (sums == nullptr) return;
  parallel_ranges(rows, rows_per_piece(width), [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> scores(static_cast<std::size_t>(width));
    for (std::int64_t i = begin; i < end; ++i) {
      for (const std::int64_t side : {0, 1}) {
        const T *p = out + (2 * i + side) * width, *dp = dout + (2 * i + side) * width;
        std::copy_n(dp, width, scores.data());
        loops<T>().softmax_gradient(p, loops<T>().dot(p, dp, width), scores.data(), width);
        loops<T>().add_scaled(side == 0 ? T{1} : T{-1}, scores.data(), sums + i * width, width);
      }
    }
  });
}

template void softmax_features_forward<float>(std::int64_t, std::int64_t, const float*, float*);
template void softmax_features_forward<double>(std::int64_t, std::int64_t, const double*, double*);
template void softmax_features_backward<float>(std::int64_t, std::int64_t, const float*, const float*,
                                               const Gradient<float>&);
template void softmax_features_backward<double>(std::int64_t, std::int64_t, const double*, const double*,
                                                const Gradient<double>&);

}  // namespace cosformer
