#include "core/kernels/decay_logs.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/row_sums.h"

namespace cosformer {

template <class T>
void decay_logs_forward(std::int64_t rows, std::int64_t heads, const T* z, const T* rate, const T* bias, T* out) {
  parallel_ranges(rows, kElementwiseGrain / std::max<std::int64_t>(heads, 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t h = 0; h < heads; ++h) {
        const T x = z[r * heads + h] + bias[h];
        // softplus without an exponential that could overflow.
        out[r * heads + h] = -std::exp(rate[h]) * (std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x))));
      }
    }
  });
}

template <class T>
void decay_logs_backward(std::int64_t rows, std::int64_t heads, const T* z, const T* rate, const T* bias, const T* out,
                         const T* dout, const Gradient<T>& dz, const Gradient<T>& drate, const Gradient<T>& dbias) {
  T *rates = begin_sum(drate, heads), *biases = begin_sum(dbias, heads);
  const RowSums<T> sums = sum_over_rows<T>(rows, 2 * heads, [&](std::int64_t begin, std::int64_t end, T* partial) {
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::int64_t i = r * heads + h;
        const T slope = -std::exp(rate[h]) / (1 + std::exp(-z[i] - bias[h]));
        partial[h] += dout[i] * out[i];
        partial[heads + h] += dout[i] * slope;
        if (dz.data != nullptr) dz.data[i] = dout[i] * slope + (dz.add ? dz.data[i] : T{0});
      }
    }
  });
  if (rates != nullptr) loops<T>().add_scaled(T{1}, sums.data(), rates, heads);
  if (biases != nullptr) loops<T>().add_scaled(T{1}, sums.data() + heads, biases, heads);
}

#define COSFORMER_INSTANTIATE(T)                                                                                     \
  template void decay_logs_forward<T>(std::int64_t, std::int64_t, const T*, const T*, const T*, T*);                 \
  template void decay_logs_backward<T>(std::int64_t, std::int64_t, const T*, const T*, const T*, const T*, const T*, \
                                       const Gradient<T>&, const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
