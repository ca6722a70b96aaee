#include "core/kernels/layer_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/row_sums.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

template <class T>
void layer_norm_forward(std::int64_t rows, std::int64_t width, const T* x, std::int64_t x_stride, const T* weight,
                        const T* bias, double eps, T* y, std::int64_t y_stride, T* mean, T* inverse_deviation) {
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(width, 1) + 1;
  parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      T variance = 0;
      loops<T>().mean_variance(x + r * x_stride, width, &mean[r], &variance);
      inverse_deviation[r] = static_cast<T>(1 / std::sqrt(static_cast<double>(variance) + eps));
      loops<T>().normalize(x + r * x_stride, mean[r], inverse_deviation[r], weight, bias, y + r * y_stride, width);
    }
  });
}

template <class T>
void layer_norm_backward(std::int64_t rows, std::int64_t width, const T* x, std::int64_t x_stride, const T* mean,
                         const T* inverse_deviation, const T* weight, const T* dy, std::int64_t dy_stride,
                         const Gradient<T>& dx, const Gradient<T>& dweight, const Gradient<T>& dbias) {
  // A block's sums: dweight, then dbias.
  const RowSums<T> sums = sum_over_rows<T>(rows, 2 * width, [&](std::int64_t begin, std::int64_t end, T* partial) {
    std::vector<T> unwanted(static_cast<std::size_t>(dx.data ? 0 : width));
    for (std::int64_t r = begin; r < end; ++r) {
      T* dx_row = dx.data ? dx.data + r * width : unwanted.data();
      if (!dx.add) std::fill_n(dx_row, width, T{0});
      loops<T>().normalize_backward(x + r * x_stride, mean[r], inverse_deviation[r], weight, dy + r * dy_stride, dx_row,
                                    partial, partial + width, width);
    }
  });
  if (T* target = begin_sum(dweight, width)) loops<T>().add_scaled(T{1}, sums.data(), target, width);
  if (T* target = begin_sum(dbias, width)) loops<T>().add_scaled(T{1}, sums.data() + width, target, width);
}

#define COSFORMER_INSTANTIATE(T)                                                                                          \
  template void layer_norm_forward<T>(std::int64_t, std::int64_t, const T*, std::int64_t, const T*, const T*, double, T*, \
                                      std::int64_t, T*, T*);                                                              \
  template void layer_norm_backward<T>(std::int64_t, std::int64_t, const T*, std::int64_t, const T*, const T*, const T*,  \
                                       const T*, std::int64_t, const Gradient<T>&, const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
