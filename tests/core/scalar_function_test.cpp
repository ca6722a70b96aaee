#include "core/kernels/scalar_function.h"

#include <cmath>
#include <vector>

#include "tests/catch.h"
#include "tests/support/attention_reference.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

namespace cosformer {
namespace {

using test::random_values;
using test::require_close;

constexpr std::int64_t kRows = 3, kStride = 700;

/// Values and gradients of `width` columns of rows that are further apart.
template <class T>
void require_agrees(const ScalarFunctionKind& kind, std::int64_t width, double tolerance) {
  const test::ReferenceFeature reference = test::reference_feature(kind.name);
  std::vector<T> x = random_values<T>(kRows * kStride, 5, -4, 4);
  for (T& value : x) value += value < 0 ? T(-0.01) : T(0.01);
  const std::vector<T> dy = random_values<T>(kRows * kStride, 6);
  const T untouched = 77;
  std::vector<T> y(x.size(), untouched), dx(x.size(), untouched);
  function_rows(kind.value, kRows, width, x.data(), kStride, y.data(), kStride);
  function_gradient_rows(kind.value, kRows, width, x.data(), kStride, dy.data(), kStride, dx.data(), kStride);
  std::vector<double> expected_y(x.size(), 77), expected_dx(x.size(), 77);
  bool negative = false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (static_cast<std::int64_t>(i) % kStride >= width) continue;
    expected_y[i] = reference.value(static_cast<double>(x[i]));
    expected_dx[i] = reference.slope(static_cast<double>(x[i])) * static_cast<double>(dy[i]);
    negative = negative || expected_y[i] < 0;
  }
  CAPTURE(kind.name, width);
  if (width > 50) CHECK(negative == !kind.never_negative);
  require_close("f(x)", expected_y, y, {.rel = 0, .abs = tolerance});
  require_close("f'(x) dy", expected_dx, dx, {.rel = 0, .abs = tolerance});

  // One row at once, in place; then the rows in place.
  std::vector<T> value(x.begin(), x.begin() + width), slope(value.size());
  function_row_with_slope(kind.value, value.data(), value.data(), slope.data(), width);
  for (std::size_t i = 0; i < value.size(); ++i) {
    REQUIRE(std::abs(static_cast<double>(value[i]) - expected_y[i]) <= tolerance);
    REQUIRE(std::abs(static_cast<double>(slope[i]) - reference.slope(static_cast<double>(x[i]))) <= tolerance);
  }
  std::vector<T> in_place = x;
  function_rows(kind.value, kRows, width, in_place.data(), kStride, in_place.data(), kStride);
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (y[i] != untouched) REQUIRE(in_place[i] == y[i]);
  }
}

TEST_CASE("Every scalar function and its slope equal their definitions on rows of any width") {
  for (const ScalarFunctionKind& kind : scalar_functions()) {
    for (const std::int64_t width : {0, 1, 7, 64, 515}) {
      require_agrees<float>(kind, width, 4e-6);
      require_agrees<double>(kind, width, 1e-12);
    }
  }
}

TEST_CASE("A scalar function's slope is that of its values, by central differences") {
  for (const ScalarFunctionKind& kind : scalar_functions()) {
    for (const double x : {-3.0, -0.4, 0.3, 2.5}) {
      double slope = 0, one = 1;
      function_gradient_rows(kind.value, 1, 1, &x, 0, &one, 0, &slope, 0);
      const double above = x + 1e-5, below = x - 1e-5;
      double high = 0, low = 0;
      function_rows(kind.value, 1, 1, &above, 0, &high, 0);
      function_rows(kind.value, 1, 1, &below, 0, &low, 0);
      CAPTURE(kind.name, x);
      CHECK(slope == Approx((high - low) / 2e-5).epsilon(1e-7).margin(1e-9));
    }
  }
}

}  // namespace
}  // namespace cosformer
