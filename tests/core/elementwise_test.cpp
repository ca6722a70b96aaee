#include "core/kernels/elementwise.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/core/linear_attention_support.h"
#include "tests/support/attention_reference.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

double value_of(ScalarFunction f, double x) { return reference_feature(name_of(f)).value(x); }

double slope_of(ScalarFunction f, double x) { return reference_feature(name_of(f)).slope(x); }

/// Values on both sides of 0 and at least 0.01 from it.
template <class T>
std::vector<T> away_from_zero(std::int64_t count, std::uint64_t seed) {
  auto values = random_values<T>(count, seed, -4, 4);
  for (T& value : values) value += value < 0 ? T(-0.01) : T(0.01);
  return values;
}

template <class T>
void check_sums(std::int64_t n) {
  CAPTURE(n);
  const auto a = random_values<T>(n, 1), b = random_values<T>(n, 2);
  std::vector<double> sum, scaled, mixed;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum.push_back(static_cast<double>(a[i]) + b[i]);
    scaled.push_back(0.25 * a[i]);
    mixed.push_back(b[i] + 0.25 * a[i]);
  }
  std::vector<T> y(a.size()), z = b;
  add_elements(a.data(), b.data(), y.data(), n);
  require_close("a + b", sum, y, {.rel = 1e-7});
  accumulate_elements(a.data(), z.data(), n);
  require_close("b += a", sum, z, {.rel = 1e-7});
  scale_elements(T(0.25), a.data(), y.data(), n);
  require_close("0.25 a", scaled, y, {.rel = 1e-7});
  z = b;
  accumulate_scaled(T(0.25), a.data(), z.data(), n);
  require_close("b += 0.25 a", mixed, z, {.rel = 1e-7});
}

template <class T>
void check_activation(ScalarFunction f, std::int64_t n, double abs) {
  CAPTURE(name_of(f), n);
  const auto x = away_from_zero<T>(n, 3), dy = random_values<T>(n, 4), start = random_values<T>(n, 5);
  std::vector<double> y, dx, added;
  for (std::size_t i = 0; i < x.size(); ++i) {
    y.push_back(value_of(f, static_cast<double>(x[i])));
    dx.push_back(static_cast<double>(dy[i]) * slope_of(f, static_cast<double>(x[i])));
    added.push_back(static_cast<double>(start[i]) + dx.back());
  }
  std::vector<T> found(x.size()), gradient = start;
  activation_forward(f, x.data(), found.data(), n);
  require_close("f(x)", y, found, {.rel = 0, .abs = abs});
  activation_backward(f, x.data(), dy.data(), Gradient<T>{found.data()}, n);
  require_close("dx", dx, found, {.rel = 0, .abs = abs});
  activation_backward(f, x.data(), dy.data(), Gradient<T>{gradient.data(), true}, n);
  require_close("dx added", added, gradient, {.rel = 0, .abs = abs});
}

}  // namespace

TEST_CASE("Sums and multiples of arrays agree with double loops") {
  for (std::int64_t n = 0; n <= 70; ++n) {
    check_sums<float>(n);
    check_sums<double>(n);
  }
  check_sums<float>(3 * 16384 + 5);
}

TEST_CASE("Activations and their gradients agree with their definitions") {
  for (const auto& [name, f, never_negative, description] : scalar_functions()) {
    for (std::int64_t n = 0; n <= 70; ++n) {
      check_activation<float>(f, n, 2e-6);
      check_activation<double>(f, n, 1e-9);
    }
    check_activation<float>(f, 40000, 2e-6);
  }
}

TEST_CASE("Activations keep NaN and give the slope of the negative side at 0") {
  for (const auto& [name, f, never_negative, description] : scalar_functions()) {
    CAPTURE(name);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    float y = 0;
    activation_forward(f, &nan, &y, 1);
    CHECK(std::isnan(y));
  }
  const float zero = 0, one = 1;
  float slope = -1;
  activation_backward(ScalarFunction::relu, &zero, &one, Gradient<float>{&slope}, 1);
  CHECK(slope == 0);
  activation_backward(ScalarFunction::leaky_relu, &zero, &one, Gradient<float>{&slope}, 1);
  CHECK(slope == 0.01F);
  activation_backward(ScalarFunction::elu, &zero, &one, Gradient<float>{&slope}, 1);
  CHECK(slope == 1);
}

TEST_CASE("A bias is added to rows before an activation, and gets the sum of the gradients") {
  for (const auto& [rows, width] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {3, 5}, {70, 33}, {900, 64}, {5, 20000}}) {
    CAPTURE(rows, width);
    const auto bias = random_values<float>(width, 6), start = random_values<float>(width, 7);
    const auto x = away_from_zero<float>(rows * width, 8), dy = random_values<float>(rows * width, 9);
    std::vector<double> u, sums(start.begin(), start.end());
    for (std::size_t i = 0; i < x.size(); ++i) {
      u.push_back(static_cast<double>(x[i]) + bias[i % bias.size()]);
      sums[i % bias.size()] += dy[i];
    }
    std::vector<float> added = start;
    column_sums(dy.data(), rows, width, width, Gradient<float>{added.data(), true});
    require_close("column sums", sums, added, {.rel = 2e-6});

    for (const auto& [name, f, never_negative, description] : scalar_functions()) {
      std::vector<float> pre(x.size()), y(x.size()), du(x.size()), dbias = start, expected_y(x.size()),
                                                                   expected_du(x.size());
      bias_activation_forward(f, x.data(), bias.data(), pre.data(), y.data(), rows, width);
      require_close("u", u, pre, {.rel = 1e-7});
      activation_forward(f, pre.data(), expected_y.data(), rows * width);
      require_close("f(u)", expected_y, y, {.rel = 0});
      bias_activation_backward(f, pre.data(), dy.data(), Gradient<float>{du.data()}, Gradient<float>{dbias.data(), true},
                               rows, width);
      activation_backward(f, pre.data(), dy.data(), Gradient<float>{expected_du.data()}, rows * width);
      require_close("du", expected_du, du, {.rel = 0});
      std::vector<double> expected_dbias(start.begin(), start.end());
      for (std::size_t i = 0; i < du.size(); ++i) expected_dbias[i % bias.size()] += du[i];
      require_close("dbias", expected_dbias, dbias, {.rel = 2e-6});
      std::vector<float> twice = du, alone(start.size());
      bias_activation_backward(f, pre.data(), dy.data(), Gradient<float>{twice.data(), true}, Gradient<float>{}, rows,
                               width);
      for (float& value : du) value *= 2;
      require_close("du added", du, twice, {.rel = 0});
      bias_activation_backward(f, pre.data(), dy.data(), Gradient<float>{}, Gradient<float>{alone.data()}, rows, width);
      for (std::size_t i = 0; i < alone.size(); ++i) alone[i] += start[i];
      require_close("dbias alone", dbias, alone, {.rel = 2e-6});
    }
  }
}

TEST_CASE("Column sums skip what lies between strided rows") {
  const std::vector<float> x = {1, 2, 99, 3, 4, 99, 5, 6};
  std::vector<float> sums = {10, 20};
  column_sums(x.data(), 3, 2, 3, Gradient<float>{sums.data(), true});
  CHECK(sums == std::vector<float>{19, 32});
  column_sums(x.data(), 3, 2, 3, Gradient<float>{sums.data()});
  CHECK(sums == std::vector<float>{9, 12});
}

TEST_CASE("Elementwise loops have the same bits on any number of threads") {
  constexpr std::int64_t kRows = 1500, kWidth = 48;
  const auto x = away_from_zero<float>(kRows * kWidth, 10);
  const auto bias = random_values<float>(kWidth, 11);
  for (const auto& row : scalar_functions()) {
    require_same_bits_on_any_threads("activation", [&] {
      std::vector<float> u(x.size()), y(x.size()), dbias(kWidth);
      bias_activation_forward(row.value, x.data(), bias.data(), u.data(), y.data(), kRows, kWidth);
      bias_activation_backward(row.value, u.data(), y.data(), Gradient<float>{u.data()}, Gradient<float>{dbias.data()},
                               kRows, kWidth);
      y.insert(y.end(), u.begin(), u.end());
      y.insert(y.end(), dbias.begin(), dbias.end());
      return y;
    });
  }
}

TEST_CASE("Dropout keeps the mean, drops the asked share, and repeats itself exactly") {
  constexpr std::int64_t kCount = 200000;
  const std::vector<float> ones(kCount, 1.0F);
  for (const double probability : {0.1, 0.5, 0.9}) {
    CAPTURE(probability);
    const Random stream(1, "dropout/test");
    std::vector<float> y(kCount), again(kCount), other(kCount);
    apply_dropout(probability, stream, ones.data(), y.data(), kCount);
    double dropped = 0, sum = 0;
    for (const float value : y) {
      dropped += value == 0;
      sum += value;
      if (value != 0) REQUIRE(value == static_cast<float>(1 / (1 - probability)));
    }
    // Five standard deviations of a binomial share.
    const double deviation = std::sqrt(probability * (1 - probability) / kCount);
    CHECK(std::abs(dropped / kCount - probability) < 5 * deviation);
    CHECK(std::abs(sum / kCount - 1) < 5 * deviation / (1 - probability));
    apply_dropout(probability, stream, ones.data(), again.data(), kCount);
    CHECK(y == again);
    apply_dropout(probability, Random(2, "dropout/test"), ones.data(), other.data(), kCount);
    CHECK(y != other);
  }
}

TEST_CASE("Dropout with probability 0 changes nothing and refuses 1") {
  const auto x = random_values<double>(100, 12);
  std::vector<double> y(x.size());
  apply_dropout(0.0, Random(1, 2), x.data(), y.data(), 100);
  CHECK(x == y);
  CHECK_THROWS_AS(apply_dropout(1.0, Random(1, 2), x.data(), y.data(), 100), ShapeError);
  CHECK_THROWS_AS(apply_dropout(-0.1, Random(1, 2), x.data(), y.data(), 100), ShapeError);
  CHECK_THROWS_AS(apply_dropout(std::nan(""), Random(1, 2), x.data(), y.data(), 100), ShapeError);
}

TEST_CASE("Dropout has the same bits on any number of threads") {
  const auto x = random_values<float>(100001, 13);
  require_same_bits_on_any_threads("dropout", [&] {
    std::vector<float> y(x.size());
    apply_dropout(0.3, Random(5, "dropout"), x.data(), y.data(), std::ssize(x));
    return y;
  });
}
