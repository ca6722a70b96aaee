#include "core/kernels/gated_product.h"

#include <algorithm>
#include <array>

#include "core/parallel.h"

namespace cosformer {

namespace {

/// Elements whose values and slopes are held at once.
constexpr std::int64_t kPiece = 512;

}  // namespace

template <class T>
void gated_product_forward(ScalarFunction f, const T* x, const T* z, T* y, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    function_rows(f, 1, end - begin, z + begin, 0, y + begin, 0);
    for (std::int64_t i = begin; i < end; ++i) y[i] *= x[i];
  });
}

template <class T>
void gated_product_backward(ScalarFunction f, const T* x, const T* z, const T* dy, const Gradient<T>& dx,
                            const Gradient<T>& dz, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t first, std::int64_t last) {
    std::array<T, kPiece> values, slopes;
    for (std::int64_t begin = first; begin < last; begin += kPiece) {
      const std::int64_t count = std::min(kPiece, last - begin);
      function_row_with_slope(f, z + begin, values.data(), slopes.data(), count);
      const T *own_x = x + begin, *own_dy = dy + begin;
      const auto put = [&](const Gradient<T>& target, auto&& value) {
        if (target.data == nullptr) return;
        T* to = target.data + begin;
        for (std::int64_t i = 0; i < count; ++i) to[i] = value(static_cast<std::size_t>(i)) + (target.add ? to[i] : T{0});
      };
      put(dx, [&](std::size_t i) { return own_dy[i] * values[i]; });
      put(dz, [&](std::size_t i) { return own_dy[i] * own_x[i] * slopes[i]; });
    }
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                            \
  template void gated_product_forward<T>(ScalarFunction, const T*, const T*, T*, std::int64_t);             \
  template void gated_product_backward<T>(ScalarFunction, const T*, const T*, const T*, const Gradient<T>&, \
                                          const Gradient<T>&, std::int64_t);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
