#include "core/kernels/scalar_function.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "core/kernels/logistic_rows.h"
#include "core/kernels/scratch_matrix.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

using detail::MatrixView;

/// Elements that a pass over a temporary array handles at a time.
constexpr std::int64_t kPiece = 512;

/// A function given number by number.
template <class F, class T>
void value_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<T> y) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < width; ++j) y[i][j] = F::value(x[i][j]);
  }
}

template <class F, class T>
void gradient_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<const T> dy, MatrixView<T> dx) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < width; ++j) dx[i][j] = F::slope(x[i][j]) * dy[i][j];
  }
}

struct SquaredRelu {
  template <class T>
  static T value(T x) {
    return x < 0 ? T{0} : x * x;
  }
  template <class T>
  static T slope(T x) {
    return x < 0 ? T{0} : 2 * x;
  }
};

/// x, or F::kSlope · x if x < 0. In single precision the vector loops do it.
template <class F, class T>
void leaky_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<T> y) {
  if constexpr (std::is_same_v<T, float>) {
    simd::tile_loops().leaky(static_cast<float>(F::kSlope), rows, width, x.data, x.stride, y.data, y.stride);
  } else {
    value_rows<F, T>(rows, width, x, y);
  }
}

template <class F, class T>
void leaky_gradient_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<const T> dy,
                         MatrixView<T> dx) {
  if constexpr (std::is_same_v<T, float>) {
    simd::tile_loops().leaky_gradient(static_cast<float>(F::kSlope), rows, width, x.data, x.stride, dy.data, dy.stride,
                                      dx.data, dx.stride);
  } else {
    gradient_rows<F, T>(rows, width, x, dy, dx);
  }
}

template <class Self>
struct Leaky {
  static double value(double x) { return x < 0 ? (Self::kSlope == 0 ? 0 : Self::kSlope * x) : x; }
  static double slope(double x) { return x > 0 ? 1 : Self::kSlope; }
};
struct Identity : Leaky<Identity> {
  static constexpr double kSlope = 1;
};
struct LeakyRelu : Leaky<LeakyRelu> {
  static constexpr double kSlope = 0.01;
};
struct Relu : Leaky<Relu> {
  static constexpr double kSlope = 0;
};

/// Calls `body(row, begin, count, exponentials)` for pieces of rows, with exp(min(x, 0)) of the piece: the slope of elu and,
/// with max(x, 0) added, elu(x) + 1.
template <class T, class Body>
void for_each_exponential(std::int64_t rows, std::int64_t width, MatrixView<const T> x, Body&& body) {
  std::array<T, kPiece> exponentials;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t begin = 0; begin < width; begin += kPiece) {
      const std::int64_t count = std::min(kPiece, width - begin);
      const T* from = x[i] + begin;
      for (std::int64_t j = 0; j < count; ++j) exponentials[static_cast<std::size_t>(j)] = from[j] > 0 ? T{0} : from[j];
      loops<T>().exp_sum(exponentials.data(), T{1}, T{0}, exponentials.data(), count);
      body(i, begin, count, exponentials.data());
    }
  }
}

template <class T>
void elu_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<T> y) {
  for_each_exponential(rows, width, x, [&](std::int64_t i, std::int64_t begin, std::int64_t count, const T* exponentials) {
    const T* from = x[i] + begin;
    T* to = y[i] + begin;
    for (std::int64_t j = 0; j < count; ++j) to[j] = exponentials[j] + (from[j] > 0 ? from[j] : T{0});
  });
}

template <class T>
void elu_gradient_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<const T> dy,
                       MatrixView<T> dx) {
  for_each_exponential(rows, width, x, [&](std::int64_t i, std::int64_t begin, std::int64_t count, const T* exponentials) {
    for (std::int64_t j = 0; j < count; ++j) dx[i][begin + j] = exponentials[j] * dy[i][begin + j];
  });
}

template <class T>
void gelu_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<T> y) {
  for (std::int64_t i = 0; i < rows; ++i) loops<T>().gelu(x[i], y[i], width);
}

template <class T>
void gelu_gradient_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<const T> dy,
                        MatrixView<T> dx) {
  for (std::int64_t i = 0; i < rows; ++i) loops<T>().gelu_backward(x[i], dy[i], dx[i], width);
}

template <class T>
void gelu_with_slope(const T* x, T* y, T* slope, std::int64_t n) {
  loops<T>().gelu_with_slope(x, y, slope, n);
}

/// What computes a function on rows.
template <class T>
struct Loops {
  void (*value)(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<T> y);
  void (*gradient)(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<const T> dy, MatrixView<T> dx);
  /// Value and slope of one row at once; null: by the two above.
  void (*with_slope)(const T* x, T* y, T* slope, std::int64_t n) = nullptr;
};

struct Row : ScalarFunctionKind {
  Loops<float> in_float;
  Loops<double> in_double;
};

template <class F>
constexpr Row leaky(const char* name, ScalarFunction f, bool never_negative, const char* description) {
  return {{name, f, never_negative, description},
          {leaky_rows<F, float>, leaky_gradient_rows<F, float>},
          {leaky_rows<F, double>, leaky_gradient_rows<F, double>}};
}

template <class F>
constexpr Row pointwise(const char* name, ScalarFunction f, bool never_negative, const char* description) {
  return {{name, f, never_negative, description},
          {value_rows<F, float>, gradient_rows<F, float>},
          {value_rows<F, double>, gradient_rows<F, double>}};
}

template <class F>
constexpr Row logistic(const char* name, ScalarFunction f, bool never_negative, const char* description) {
  return {
      {name, f, never_negative, description},
      {detail::logistic_rows<F, float>, detail::logistic_gradient_rows<F, float>, detail::logistic_with_slope<F, float>},
      {detail::logistic_rows<F, double>, detail::logistic_gradient_rows<F, double>, detail::logistic_with_slope<F, double>}};
}

using enum ScalarFunction;
constexpr Row kFunctions[] = {
    leaky<Identity>("identity", identity, false, "x"),
    leaky<LeakyRelu>("leaky_relu", leaky_relu, false, "x, or 0.01 x where x < 0"),
    leaky<Relu>("relu", relu, true, "max(x, 0): cosFormer's feature map"),
    pointwise<SquaredRelu>("squared_relu", squared_relu, true, "max(x, 0)² (So et al., 2021)"),
    {{"elu", elu, true, "elu(x) + 1: Linear Transformer's feature map"},
     {elu_rows<float>, elu_gradient_rows<float>},
     {elu_rows<double>, elu_gradient_rows<double>}},
    {{"gelu", gelu, false, "x Φ(x) (Hendrycks and Gimpel, 2016)"},
     {gelu_rows<float>, gelu_gradient_rows<float>, gelu_with_slope<float>},
     {gelu_rows<double>, gelu_gradient_rows<double>, gelu_with_slope<double>}},
    logistic<detail::GeluTanh>("gelu_tanh", gelu_tanh, false, "x (1 + tanh(sqrt(2/π) (x + 0.044715 x³))) / 2: GPT-2's gelu"),
    logistic<detail::Silu>("silu", silu, false, "x / (1 + exp(-x)), Swish (Ramachandran et al., 2017)"),
    logistic<detail::Sigmoid>("sigmoid", sigmoid, true, "1 / (1 + exp(-x))"),
};

constexpr auto kKinds = [] {
  std::array<ScalarFunctionKind, std::size(kFunctions)> kinds{};
  std::ranges::copy(kFunctions, kinds.begin());
  return kinds;
}();

static_assert(
    [] {
      for (std::size_t i = 0; i < kKinds.size(); ++i) {
        if (kKinds[i].value != static_cast<ScalarFunction>(i)) return false;
      }
      return true;
    }(),
    "the rows stand in the order of the enumeration");

template <class T>
const Loops<T>& loops_of(ScalarFunction f) {
  const Row& row = kFunctions[static_cast<std::size_t>(f)];
  if constexpr (std::is_same_v<T, float>) {
    return row.in_float;
  } else {
    return row.in_double;
  }
}

}  // namespace

std::span<const ScalarFunctionKind> scalar_functions() { return kKinds; }

template <class T>
void function_rows(ScalarFunction f, std::int64_t rows, std::int64_t width, const T* x, std::int64_t x_stride, T* y,
                   std::int64_t y_stride) {
  loops_of<T>(f).value(rows, width, {x, x_stride}, {y, y_stride});
}

template <class T>
void function_gradient_rows(ScalarFunction f, std::int64_t rows, std::int64_t width, const T* x, std::int64_t x_stride,
                            const T* dy, std::int64_t dy_stride, T* dx, std::int64_t dx_stride) {
  loops_of<T>(f).gradient(rows, width, {x, x_stride}, {dy, dy_stride}, {dx, dx_stride});
}

template <class T>
void function_row_with_slope(ScalarFunction f, const T* x, T* y, T* slope, std::int64_t n) {
  const Loops<T>& loops = loops_of<T>(f);
  if (loops.with_slope != nullptr) return loops.with_slope(x, y, slope, n);
  std::array<T, kPiece> ones, slopes;
  ones.fill(T{1});
  for (std::int64_t begin = 0; begin < n; begin += kPiece) {
    const std::int64_t count = std::min(kPiece, n - begin);
    loops.gradient(1, count, {x + begin, 0}, {ones.data(), 0}, {slopes.data(), 0});
    loops.value(1, count, {x + begin, 0}, {y + begin, 0});
    std::copy_n(slopes.data(), count, slope + begin);
  }
}

#define COSFORMER_INSTANTIATE(T)                                                                                        \
  template void function_rows<T>(ScalarFunction, std::int64_t, std::int64_t, const T*, std::int64_t, T*, std::int64_t); \
  template void function_gradient_rows<T>(ScalarFunction, std::int64_t, std::int64_t, const T*, std::int64_t, const T*, \
                                          std::int64_t, T*, std::int64_t);                                              \
  template void function_row_with_slope<T>(ScalarFunction, const T*, T*, T*, std::int64_t);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
