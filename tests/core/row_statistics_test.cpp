#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/catch.h"
#include "tests/core/row_support.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

using namespace cosformer;
using namespace cosformer::test;

TEST_CASE("Sums, products and maxima of rows agree with double loops at any length and alignment") {
  for_each_row([](const RowLoops<float>& loops, std::int64_t n, std::int64_t offset) {
    GuardedRow x(random_values<float>(n, 1, -3, 3), offset), y(random_values<float>(n, 2, -3, 3), offset + 1);
    double sum = 0, dot = 0, size = 0, dot_size = 0;
    float largest = -kInfinity;
    for (std::int64_t i = 0; i < n; ++i) {
      const double a = x.data()[i], b = y.data()[i];
      sum += a;
      dot += a * b;
      size += std::abs(a);
      dot_size += std::abs(a * b);
      largest = std::max(largest, x.data()[i]);
    }
    require_close("sum", sum, loops.sum(x.data(), n), {.rel = 0, .abs = 1e-6 * size});
    require_close("dot", dot, loops.dot(x.data(), y.data(), n), {.rel = 0, .abs = 1e-6 * dot_size});
    CHECK(loops.max(x.data(), n) == largest);
    for (std::int64_t i = 0; i < n; ++i) x.data()[i] = -5 - static_cast<float>(i);
    if (n > 0) CHECK(loops.max(x.data(), n) == -5);
  });
}

TEST_CASE("Rows are normalised, and the gradients of that are right, at any length and alignment") {
  for_each_row([](const RowLoops<float>& loops, std::int64_t n, std::int64_t offset) {
    if (n == 0) return;
    const auto x = random_values<float>(n, 8, 99, 101), weight = random_values<float>(n, 9),
               bias = random_values<float>(n, 10);
    const auto dy = random_values<float>(n, 11), dx = random_values<float>(n, 12);
    const auto count = static_cast<double>(n);
    double mean = 0, variance = 0, mean_g = 0, mean_gx = 0;
    for (const float v : x) mean += v / count;
    for (const float v : x) variance += (v - mean) * (v - mean) / count;
    GuardedRow row(x, offset), out(bias, offset + 1), grad(dx, offset + 2), dw(weight, offset + 3), db(bias, offset);
    float found_mean = 0, found_variance = 0;
    loops.mean_variance(row.data(), n, &found_mean, &found_variance);
    require_close("mean", mean, found_mean, {.rel = 1e-6});
    require_close("variance", variance, found_variance, {.rel = 1e-5, .abs = 1e-9});

    const double m = 99.9F, s = 1.25F;
    std::vector<double> y, expected_dx, expected_dw, expected_db;
    for (std::size_t i = 0; i < x.size(); ++i) {
      y.push_back((x[i] - m) * s * weight[i] + bias[i]);
      mean_g += dy[i] * weight[i] / count;
      mean_gx += dy[i] * weight[i] * (x[i] - m) * s / count;
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double normalized = (x[i] - m) * s;
      expected_dx.push_back(dx[i] + s * (dy[i] * weight[i] - mean_g - normalized * mean_gx));
      expected_dw.push_back(weight[i] + dy[i] * normalized);
      expected_db.push_back(bias[i] + dy[i]);
    }
    loops.normalize(row.data(), 99.9F, 1.25F, weight.data(), bias.data(), out.data(), n);
    require_close("y", y, out.values(), {.rel = 2e-6});
    loops.normalize_backward(row.data(), 99.9F, 1.25F, weight.data(), dy.data(), grad.data(), dw.data(), db.data(), n);
    require_close("dx", expected_dx, grad.values(), {.rel = 2e-6});
    require_close("dweight", expected_dw, dw.values(), {.rel = 2e-6});
    require_close("dbias", expected_db, db.values(), {.rel = 2e-6});
    CHECK((out.guards_intact() && grad.guards_intact() && dw.guards_intact() && db.guards_intact()));
  });
}

TEST_CASE("A row of one number has variance 0 and an empty row has mean 0") {
  for (const RowLoops<float>* loops : tables()) {
    const float x = 7;
    float mean = -1, variance = -1;
    loops->mean_variance(&x, 1, &mean, &variance);
    CHECK((mean == 7 && variance == 0));
    loops->mean_variance(&x, 0, &mean, &variance);
    CHECK((mean == 0 && variance == 0));
  }
}

TEST_CASE("Sums of a million floats are exact to 1e-6") {
  constexpr std::int64_t kCount = 1000003;
  const auto x = random_values<float>(kCount, 13, 0, 1);
  double sum = 0, squares = 0;
  for (const float v : x) {
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  const double mean = sum / kCount;
  double variance = 0;
  for (const float v : x) variance += (v - mean) * (v - mean) / kCount;
  for (const RowLoops<float>* loops : tables()) {
    CAPTURE(loops->name);
    float found_mean = 0, found_variance = 0;
    loops->mean_variance(x.data(), kCount, &found_mean, &found_variance);
    require_close("sum", sum, loops->sum(x.data(), kCount), {.rel = 1e-6});
    require_close("dot", squares, loops->dot(x.data(), x.data(), kCount), {.rel = 1e-6});
    require_close("mean", mean, found_mean, {.rel = 1e-6});
    require_close("variance", variance, found_variance, {.rel = 1e-6});
  }
}
