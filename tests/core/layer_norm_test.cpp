#include "core/kernels/layer_norm.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

/// Layer norm and its gradients in plain double loops, over rows that are `width` apart.
struct Expected {
  std::vector<double> y, mean, inverse_deviation, dx, dweight, dbias;
};

template <class T>
Expected reference(std::int64_t rows, std::int64_t width, const std::vector<T>& x, const std::vector<T>& weight,
                   const std::vector<T>& bias, const std::vector<T>& dy, double eps) {
  const auto cells = static_cast<std::size_t>(rows * width), columns = static_cast<std::size_t>(width);
  Expected e{std::vector<double>(cells),  {}, {}, std::vector<double>(cells), std::vector<double>(columns),
             std::vector<double>(columns)};
  for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < columns; ++j) mean += x[r * columns + j];
    mean /= static_cast<double>(width);
    for (std::size_t j = 0; j < columns; ++j) variance += std::pow(x[r * columns + j] - mean, 2);
    const double s = 1 / std::sqrt(variance / static_cast<double>(width) + eps);
    e.mean.push_back(mean);
    e.inverse_deviation.push_back(s);
    for (std::size_t j = 0; j < columns; ++j) {
      const double normalized = (x[r * columns + j] - mean) * s;
      e.y[r * columns + j] = normalized * weight[j] + bias[j];
      e.dweight[j] += dy[r * columns + j] * normalized;
      e.dbias[j] += dy[r * columns + j];
      // d y_j / d x_i = weight_j s ((i = j) - 1 / n - x̂_i x̂_j / n), summed pair by pair.
      for (std::size_t i = 0; i < columns; ++i) {
        const double other = (x[r * columns + i] - mean) * s;
        e.dx[r * columns + i] += dy[r * columns + j] * weight[j] * s *
                                 ((i == j ? 1.0 : 0.0) - (1 + other * normalized) / static_cast<double>(width));
      }
    }
  }
  return e;
}

template <class T>
void check_shape(std::int64_t rows, std::int64_t width, double rel) {
  CAPTURE(rows, width);
  const auto x = random_values<T>(rows * width, 1, 2, 5), dy = random_values<T>(rows * width, 2);
  const auto weight = random_values<T>(width, 3), bias = random_values<T>(width, 4);
  const Expected expected = reference(rows, width, x, weight, bias, dy, 1e-5);

  std::vector<T> y(x.size()), mean(static_cast<std::size_t>(rows)), deviation(mean);
  layer_norm_forward(rows, width, x.data(), width, weight.data(), bias.data(), 1e-5, y.data(), width, mean.data(),
                     deviation.data());
  require_close("y", expected.y, y, {.rel = rel});
  require_close("mean", expected.mean, mean, {.rel = rel});
  require_close("inverse deviation", expected.inverse_deviation, deviation, {.rel = rel});

  std::vector<T> dx(x.size(), T{7}), dweight(weight.size(), T{1}), dbias(bias.size(), T{2});
  layer_norm_backward(rows, width, x.data(), width, mean.data(), deviation.data(), weight.data(), dy.data(), width,
                      Gradient<T>{dx.data()}, Gradient<T>{dweight.data(), true}, Gradient<T>{dbias.data(), true});
  // A row of one number has dx = 0, as a difference of terms of this size.
  const double largest = *std::ranges::max_element(expected.inverse_deviation);
  require_close("dx", expected.dx, dx, {.rel = 4 * rel, .abs = rel * largest});
  for (T& value : dweight) value -= T{1};
  for (T& value : dbias) value -= T{2};
  require_close("dweight", expected.dweight, dweight, {.rel = 4 * rel, .abs = rel});
  require_close("dbias", expected.dbias, dbias, {.rel = 4 * rel, .abs = rel});
}

}  // namespace

TEST_CASE("Layer norm and its gradients agree with double loops") {
  for (const std::int64_t width : {1, 2, 7, 16, 33, 64}) {
    for (const std::int64_t rows : {1, 3, 70}) {
      check_shape<float>(rows, width, 2e-6);
      check_shape<double>(rows, width, 1e-12);
    }
  }
  check_shape<float>(300, 128, 2e-6);
}

TEST_CASE("Layer norm reads and writes strided rows and leaves the gaps alone") {
  constexpr std::int64_t kRows = 5, kWidth = 10, kStride = 13;
  const auto packed = random_values<float>(kRows * kWidth, 5), dy = random_values<float>(kRows * kWidth, 6);
  const auto weight = random_values<float>(kWidth, 7), bias = random_values<float>(kWidth, 8);
  const Expected expected = reference(kRows, kWidth, packed, weight, bias, dy, 1e-5);
  std::vector<float> x(kRows * kStride, 99.0F), y(x), wide_dy(x), packed_dx(packed.size(), 1.0F);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    x[i / kWidth * kStride + i % kWidth] = packed[i];
    wide_dy[i / kWidth * kStride + i % kWidth] = dy[i];
  }
  std::vector<float> mean(kRows), deviation(kRows), dweight(kWidth), dbias(kWidth);
  layer_norm_forward<float>(kRows, kWidth, x.data(), kStride, weight.data(), bias.data(), 1e-5, y.data(), kStride,
                            mean.data(), deviation.data());
  layer_norm_backward<float>(kRows, kWidth, x.data(), kStride, mean.data(), deviation.data(), weight.data(), wide_dy.data(),
                             kStride, {packed_dx.data(), true}, {dweight.data()}, {dbias.data()});
  std::vector<float> y_rows, dx_rows;
  for (const float value : packed_dx) dx_rows.push_back(value - 1.0F);  // it was added to 1
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (i % kStride < kWidth) {
      y_rows.push_back(y[i]);
    } else {
      CHECK(y[i] == 99.0F);
    }
  }
  require_close("y", expected.y, y_rows, {.rel = 2e-6});
  require_close("dx", expected.dx, dx_rows, {.rel = 5e-6});
}

TEST_CASE("Layer norm leaves out the gradients that are not wanted, and the others are what they were") {
  constexpr std::int64_t kRows = 70, kWidth = 33;
  const auto x = random_values<float>(kRows * kWidth, 13), dy = random_values<float>(kRows * kWidth, 14);
  const auto weight = random_values<float>(kWidth, 15);
  const std::vector<float> mean(kRows, 0.1F), deviation(kRows, 1.5F);
  const auto run = [&](Gradient<float> dx, Gradient<float> dweight, Gradient<float> dbias) {
    layer_norm_backward<float>(kRows, kWidth, x.data(), kWidth, mean.data(), deviation.data(), weight.data(), dy.data(),
                               kWidth, dx, dweight, dbias);
  };
  std::vector<float> dx(x.size()), dweight(kWidth), dbias(kWidth), dx_alone(x.size()), dweight_alone(kWidth),
      dbias_alone(kWidth);
  run({dx.data()}, {dweight.data()}, {dbias.data()});
  run({dx_alone.data()}, {}, {});
  run({}, {dweight_alone.data()}, {});
  run({}, {}, {dbias_alone.data()});
  CHECK(dx == dx_alone);
  CHECK(dweight == dweight_alone);
  CHECK(dbias == dbias_alone);
}

TEST_CASE("Layer norm's gradients have the same bits on any number of threads") {
  constexpr std::int64_t kRows = 700, kWidth = 96;
  const auto x = random_values<float>(kRows * kWidth, 9), dy = random_values<float>(kRows * kWidth, 10);
  const auto weight = random_values<float>(kWidth, 11), bias = random_values<float>(kWidth, 12);
  require_same_bits_on_any_threads("layer norm", [&] {
    std::vector<float> y(x.size()), mean(kRows), deviation(kRows), dx(x.size()), sums(2 * kWidth);
    layer_norm_forward<float>(kRows, kWidth, x.data(), kWidth, weight.data(), bias.data(), 1e-5, y.data(), kWidth,
                              mean.data(), deviation.data());
    layer_norm_backward<float>(kRows, kWidth, x.data(), kWidth, mean.data(), deviation.data(), weight.data(), dy.data(),
                               kWidth, {dx.data()}, {sums.data()}, {sums.data() + kWidth});
    sums.insert(sums.end(), y.begin(), y.end());
    sums.insert(sums.end(), dx.begin(), dx.end());
    return sums;
  });
}
