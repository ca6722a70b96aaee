#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "tests/catch.h"
#include "tests/core/row_support.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

double distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi); }

/// What one unit in the last place of a float near `x` is worth.
double ulp(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0, std::max(exponent - 24, -149));
}

}  // namespace

TEST_CASE("The float exponential is within 3 units in the last place of every sampled float") {
  for (const RowLoops<float>* loops : tables()) {
    double worst = 0, worst_x = 0;
    std::vector<float> x, y;
    for (std::uint32_t bits = 0; bits < 0x43000000U; bits += 1021) {  // 0 to 128
      x.push_back(std::bit_cast<float>(bits));
      x.push_back(-x.back());
    }
    y.resize(x.size());
    loops->exp_sum(x.data(), 1, 0, y.data(), std::ssize(x));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = std::exp(static_cast<double>(x[i]));
      if (exact > 3.4028235677973366e38) {
        if (y[i] != kInfinity) FAIL("exp(" << x[i] << ") is " << y[i]);
        continue;
      }
      const double error = std::abs(y[i] - exact) / ulp(exact);
      if (error > worst) {
        worst = error;
        worst_x = x[i];
      }
    }
    CAPTURE(loops->name, worst_x);
    CHECK(worst <= 3);
  }
}

TEST_CASE("The float exponential goes to 0 and infinity and keeps NaN, anywhere in a row") {
  for (const RowLoops<float>* loops : tables()) {
    for (const std::int64_t n : {1, 5, 16, 19}) {
      CAPTURE(loops->name, n);
      const auto exp_of = [&](float x) {
        std::vector<float> row(static_cast<std::size_t>(n), x);
        const float sum = loops->exp_sum(row.data(), 1, 0, row.data(), n);
        for (const float y : row) CHECK((std::bit_cast<std::uint32_t>(y) == std::bit_cast<std::uint32_t>(row[0])));
        CHECK((std::isnan(sum) ? std::isnan(row[0]) : sum == Approx(static_cast<float>(n) * row[0])));
        return row[0];
      };
      CHECK(exp_of(-kInfinity) == 0);
      CHECK(exp_of(-1e30F) == 0);
      CHECK(exp_of(-104.0F) == 0);
      CHECK(exp_of(-103.0F) > 0);  // a denormal number
      CHECK(exp_of(0) == 1);
      CHECK(exp_of(88.72F) < kInfinity);
      CHECK(exp_of(88.73F) == kInfinity);
      CHECK(exp_of(kInfinity) == kInfinity);
      CHECK(std::isnan(exp_of(kNan)));
    }
  }
}

TEST_CASE("Exponentials of a row are scaled, shifted and summed at any length and alignment") {
  for_each_row([](const RowLoops<float>& loops, std::int64_t n, std::int64_t offset) {
    const auto input = random_values<float>(n, 3, -8, 3);
    std::vector<double> expected;
    double sum = 0;
    for (const float v : input) {
      expected.push_back(std::exp(0.5 * v - 1.5));
      sum += expected.back();
    }
    GuardedRow x(input, offset), y(std::vector<float>(input.size()), offset + 2);
    require_close("sum", sum, loops.exp_sum(x.data(), 0.5F, 1.5F, y.data(), n), {.rel = 1e-6});
    require_close("exp", expected, y.values(), {.rel = 1e-6});
    loops.exp_sum(x.data(), 0.5F, 1.5F, x.data(), n);
    require_close("exp in place", y.values(), x.values(), {.rel = 0});
    CHECK((x.guards_intact() && y.guards_intact()));
  });
}

TEST_CASE("The gradient of a softmax's scores takes delta off before it weighs, at any length and alignment") {
  for_each_row([](const RowLoops<float>& loops, std::int64_t n, std::int64_t offset) {
    const auto p = random_values<float>(n, 8), dp = random_values<float>(n, 9);
    std::vector<double> expected;
    for (std::size_t i = 0; i < p.size(); ++i) expected.push_back(p[i] * (static_cast<double>(dp[i]) - 0.375));
    GuardedRow weights(p, offset), gradient(dp, offset + 3);
    loops.softmax_gradient(weights.data(), 0.375F, gradient.data(), n);
    require_close("gradient", expected, gradient.values(), {.rel = 1e-6, .abs = 1e-7});
    CHECK((weights.guards_intact() && gradient.guards_intact()));
  });
}

TEST_CASE("The float GELU and its derivative are as exact as their documentation says") {
  for (const RowLoops<float>* loops : tables()) {
    std::vector<float> x;
    for (int i = -200000; i <= 200000; ++i) x.push_back(static_cast<float>(i) * 1e-4F);
    std::vector<float> y(x.size()), dx(x.size(), 1.0F);
    loops->gelu(x.data(), y.data(), std::ssize(x));
    loops->gelu_backward(x.data(), dx.data(), dx.data(), std::ssize(x));
    double worst = 0, worst_relative = 0, worst_derivative = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = x[i], exact = v * distribution(v);
      worst = std::max(worst, std::abs(y[i] - exact) - (v > 4 ? 0.5 * ulp(v) : 0.0));
      if (v > -13 && v != 0) worst_relative = std::max(worst_relative, std::abs(y[i] / exact - 1));
      worst_derivative = std::max(worst_derivative, std::abs(dx[i] - (distribution(v) + v * density(v))));
    }
    CAPTURE(loops->name);
    CHECK(worst <= 5e-7);
    CHECK(worst_relative <= 5e-6);
    CHECK(worst_derivative <= 5e-7);
  }
}

TEST_CASE("GELU has its limits at infinity, keeps NaN, and treats the end of a row as the rest") {
  for_each_row([](const RowLoops<float>& loops, std::int64_t n, std::int64_t offset) {
    GuardedRow x(random_values<float>(n, 6, -4, 4), offset), dy(random_values<float>(n, 7), offset + 1);
    std::vector<double> forward, backward;
    for (std::int64_t i = 0; i < n; ++i) {
      const double v = x.data()[i];
      forward.push_back(v * distribution(v));
      backward.push_back(dy.data()[i] * (distribution(v) + v * density(v)));
    }
    const auto inputs = x.values();
    std::vector<float> both(inputs.begin(), inputs.end()), slopes(both.size());
    loops.gelu_with_slope(both.data(), both.data(), slopes.data(), n);
    for (std::int64_t i = 0; i < n; ++i) slopes[static_cast<std::size_t>(i)] *= dy.data()[i];
    require_close("gelu with slope", forward, both, {.rel = 0, .abs = 1e-6});
    require_close("slope", backward, slopes, {.rel = 0, .abs = 1e-6});
    loops.gelu_backward(x.data(), dy.data(), dy.data(), n);
    loops.gelu(x.data(), x.data(), n);
    require_close("gelu", forward, x.values(), {.rel = 0, .abs = 1e-6});
    require_close("its gradient", backward, dy.values(), {.rel = 0, .abs = 1e-6});
    CHECK((x.guards_intact() && dy.guards_intact()));
  });
  for (const RowLoops<float>* loops : tables()) {
    const float x[] = {kInfinity, -kInfinity, kNan, 1e30F, -1e30F, 0.0F};
    const float dy[] = {1, 1, 1, 1, 1, 1};
    float y[6], dx[6];
    loops->gelu(x, y, 6);
    loops->gelu_backward(x, dy, dx, 6);
    CAPTURE(loops->name);
    CHECK((y[0] == kInfinity && y[1] == 0 && std::isnan(y[2]) && y[3] == 1e30F && y[4] == 0 && y[5] == 0));
    CHECK((dx[0] == 1 && dx[1] == 0 && std::isnan(dx[2]) && dx[3] == 1 && dx[4] == 0 && std::abs(dx[5] - 0.5F) < 5e-7F));
  }
}
