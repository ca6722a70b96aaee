#include "core/kernels/elementwise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/kernels/row_sums.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

/// Elements that a pass over a temporary array handles at a time.
constexpr std::int64_t kScratch = 512;

/// Calls `body(begin, count)` for pieces of at most `kScratch` elements.
template <class Body>
void for_each_piece(std::int64_t n, Body&& body) {
  for (std::int64_t begin = 0; begin < n; begin += kScratch) body(begin, std::min(kScratch, n - begin));
}

/// y = f(x) of one row.
template <class T>
void activate(ScalarFunction f, const T* x, T* y, std::int64_t n) {
  function_rows(f, 1, n, x, 0, y, 0);
}

/// dx = f'(x) · dy of one row.
template <class T>
void differentiate(ScalarFunction f, const T* x, const T* dy, T* dx, std::int64_t n) {
  function_gradient_rows(f, 1, n, x, 0, dy, 0, dx, 0);
}

std::int64_t rows_a_piece(std::int64_t width) { return kElementwiseGrain / std::max<std::int64_t>(width, 1) + 1; }

template <class T>
void add_row(const T* a, const T* b, T* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

}  // namespace

template <class T>
void add_elements(const T* a, const T* b, T* y, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain,
                  [&](std::int64_t begin, std::int64_t end) { add_row(a + begin, b + begin, y + begin, end - begin); });
}

template <class T>
void accumulate_elements(const T* x, T* y, std::int64_t n) {
  accumulate_scaled(T{1}, x, y, n);
}

template <class T>
void scale_elements(T alpha, const T* x, T* y, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain,
                  [&](std::int64_t begin, std::int64_t end) { loops<T>().scale(alpha, x + begin, y + begin, end - begin); });
}

template <class T>
void accumulate_scaled(T alpha, const T* x, T* y, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    loops<T>().add_scaled(alpha, x + begin, y + begin, end - begin);
  });
}

template <class T>
void column_sums(const T* x, std::int64_t rows, std::int64_t width, std::int64_t stride, const Gradient<T>& sums) {
  if (!sums.data) return;
  const RowSums<T> total = sum_over_rows<T>(rows, width, [&](std::int64_t begin, std::int64_t end, T* partial) {
    for (std::int64_t r = begin; r < end; ++r) loops<T>().add_scaled(T{1}, x + r * stride, partial, width);
  });
  loops<T>().add_scaled(T{1}, total.data(), begin_sum(sums, width), width);
}

template <class T>
void activation_forward(ScalarFunction f, const T* x, T* y, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain,
                  [&](std::int64_t begin, std::int64_t end) { activate(f, x + begin, y + begin, end - begin); });
}

template <class T>
void activation_backward(ScalarFunction f, const T* x, const T* dy, const Gradient<T>& dx, std::int64_t n) {
  if (!dx.data) return;
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    if (!dx.add) return differentiate(f, x + begin, dy + begin, dx.data + begin, end - begin);
    for_each_piece(end - begin, [&](std::int64_t piece, std::int64_t count) {
      std::array<T, kScratch> gradient{};
      differentiate(f, x + begin + piece, dy + begin + piece, gradient.data(), count);
      loops<T>().add_scaled(T{1}, gradient.data(), dx.data + begin + piece, count);
    });
  });
}

template <class T>
void bias_activation_forward(ScalarFunction f, const T* x, const T* bias, T* u, T* y, std::int64_t rows,
                             std::int64_t width) {
  parallel_ranges(rows, rows_a_piece(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      add_row(x + r * width, bias, u + r * width, width);
      activate(f, u + r * width, y + r * width, width);
    }
  });
}

template <class T>
void bias_activation_backward(ScalarFunction f, const T* u, const T* dy, const Gradient<T>& du, const Gradient<T>& dbias,
                              std::int64_t rows, std::int64_t width) {
  const bool in_place = du.data != nullptr && !du.add;
  const RowSums<T> total = sum_over_rows<T>(rows, width, [&](std::int64_t begin, std::int64_t end, T* partial) {
    std::vector<T> scratch(static_cast<std::size_t>(in_place ? 0 : width));
    for (std::int64_t r = begin; r < end; ++r) {
      T* row = in_place ? du.data + r * width : scratch.data();
      differentiate(f, u + r * width, dy + r * width, row, width);
      loops<T>().add_scaled(T{1}, row, partial, width);
      if (du.add) loops<T>().add_scaled(T{1}, row, du.data + r * width, width);
    }
  });
  if (T* sums = begin_sum(dbias, width)) loops<T>().add_scaled(T{1}, total.data(), sums, width);
}

DropoutMask dropout_mask(double probability, const Random& stream) {
  check<ShapeError>(probability >= 0 && probability < 1, "[dropout] the probability must be in [0, 1), not ", probability);
  const double threshold = std::min(std::round(probability * 0x1p32), 0x1p32 - 1);
  return {{stream.key()[0], stream.key()[1]}, static_cast<std::uint32_t>(threshold), 1 / (1 - probability)};
}

template <class T>
void apply_dropout(double probability, const Random& stream, const T* x, T* y, std::int64_t n) {
  const DropoutMask mask = dropout_mask(probability, stream);
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    loops<T>().dropout(mask, begin, x + begin, y + begin, end - begin);
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                        \
  template void add_elements<T>(const T*, const T*, T*, std::int64_t);                                                  \
  template void accumulate_elements<T>(const T*, T*, std::int64_t);                                                     \
  template void scale_elements<T>(T, const T*, T*, std::int64_t);                                                       \
  template void accumulate_scaled<T>(T, const T*, T*, std::int64_t);                                                    \
  template void column_sums<T>(const T*, std::int64_t, std::int64_t, std::int64_t, const Gradient<T>&);                 \
  template void activation_forward<T>(ScalarFunction, const T*, T*, std::int64_t);                                      \
  template void activation_backward<T>(ScalarFunction, const T*, const T*, const Gradient<T>&, std::int64_t);           \
  template void bias_activation_forward<T>(ScalarFunction, const T*, const T*, T*, T*, std::int64_t, std::int64_t);     \
  template void bias_activation_backward<T>(ScalarFunction, const T*, const T*, const Gradient<T>&, const Gradient<T>&, \
                                            std::int64_t, std::int64_t);                                                \
  template void apply_dropout<T>(double, const Random&, const T*, T*, std::int64_t);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
