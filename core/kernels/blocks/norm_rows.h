#pragma once
/// \file
/// Layer norm of a tile of rows. Internal to the fused kernels.

#include <cmath>

#include "core/kernels/blocks/norm_linear.h"
#include "core/kernels/scratch_matrix.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// target = norm of rows [begin, begin + count); sets their `mean` and `inverse_deviation` (indexed by row of the whole).
template <class T>
void normalize_rows(const NormRows<T>& norm, double eps, std::int64_t begin, std::int64_t count, T* mean,
                    T* inverse_deviation, MatrixView<T> target) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t r = begin + i;
    T variance = 0;
    loops<T>().mean_variance(norm.x + r * norm.width, norm.width, &mean[r], &variance);
    inverse_deviation[r] = static_cast<T>(1 / std::sqrt(static_cast<double>(variance) + eps));
    loops<T>().normalize(norm.x + r * norm.width, mean[r], inverse_deviation[r], norm.weight, norm.bias, target[i],
                         norm.width);
  }
}

/// The same with `mean` and `inverse_deviation` known.
template <class T>
void renormalize_rows(const NormRows<T>& norm, std::int64_t begin, std::int64_t count, const T* mean,
                      const T* inverse_deviation, MatrixView<T> target) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t r = begin + i;
    loops<T>().normalize(norm.x + r * norm.width, mean[r], inverse_deviation[r], norm.weight, norm.bias, target[i],
                         norm.width);
  }
}

/// dx = residual + the gradient through the norm of `dy` (rows of the tile); a null residual is 0, and dx may be it. Adds to
/// `dweight` and `dbias`.
template <class T>
void normalize_rows_backward(const NormRows<T>& norm, std::int64_t begin, std::int64_t count, const T* mean,
                             const T* inverse_deviation, MatrixView<const T> dy, MatrixView<const T> residual,
                             MatrixView<T> dx, T* dweight, T* dbias) {
  if (residual.data == nullptr) {
    zero_rows(count, norm.width, dx);
  } else {
    copy_rows<T>(count, norm.width, residual, nullptr, dx);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t r = begin + i;
    loops<T>().normalize_backward(norm.x + r * norm.width, mean[r], inverse_deviation[r], norm.weight, dy[i], dx[i], dweight,
                                  dbias, norm.width);
  }
}

}  // namespace cosformer::detail
