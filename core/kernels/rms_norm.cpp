#include "core/kernels/rms_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/row_sums.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

template <class T>
void rms_norm_forward(std::int64_t rows, std::int64_t width, const T* x, const T* weight, double eps, T* y, T* inverse) {
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(width, 1) + 1;
  parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T* row = x + r * width;
      const double square = static_cast<double>(loops<T>().dot(row, row, width)) / static_cast<double>(width);
      inverse[r] = static_cast<T>(1 / std::sqrt(square + eps));
      for (std::int64_t i = 0; i < width; ++i) y[r * width + i] = row[i] * inverse[r] * weight[i];
    }
  });
}

template <class T>
void rms_norm_backward(std::int64_t rows, std::int64_t width, const T* x, const T* inverse, const T* weight, const T* dy,
                       const Gradient<T>& dx, const Gradient<T>& dweight) {
  const RowSums<T> sums = sum_over_rows<T>(rows, width, [&](std::int64_t begin, std::int64_t end, T* partial) {
    std::vector<T> weighted(static_cast<std::size_t>(width));
    for (std::int64_t r = begin; r < end; ++r) {
      const T *row = x + r * width, *dy_row = dy + r * width;
      const T scale = inverse[r];
      for (std::int64_t i = 0; i < width; ++i) {
        partial[i] += dy_row[i] * row[i] * scale;
        weighted[static_cast<std::size_t>(i)] = dy_row[i] * weight[i];
      }
      if (dx.data == nullptr) continue;
      // dx = (g - x̂ · mean(g ∘ x̂)) / rms with g = dy ∘ weight and x̂ = x / rms.
      const T shared = loops<T>().dot(weighted.data(), row, width) * scale * scale / static_cast<T>(width);
      T* dx_row = dx.data + r * width;
      if (!dx.add) std::fill_n(dx_row, width, T{0});
      for (std::int64_t i = 0; i < width; ++i) {
        dx_row[i] += scale * (weighted[static_cast<std::size_t>(i)] - row[i] * shared);
      }
    }
  });
  if (T* target = begin_sum(dweight, width)) loops<T>().add_scaled(T{1}, sums.data(), target, width);
}

#define COSFORMER_INSTANTIATE(T)                                                                         \
  template void rms_norm_forward<T>(std::int64_t, std::int64_t, const T*, const T*, double, T*, T*);     \
  template void rms_norm_backward<T>(std::int64_t, std::int64_t, const T*, const T*, const T*, const T*, \
                                     const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
