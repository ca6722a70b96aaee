#include "core/simd/row_loops.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<const simd::RowLoops*> tables() {
  std::vector<const simd::RowLoops*> found;
  for (const char* name : {"baseline", "avx2", "avx512"}) {
    if (const simd::RowLoops* loops = simd::row_loops(name)) found.push_back(loops);
  }
  return found;
}

/// A row that starts at any alignment, between guards that nothing may change.
class GuardedRow {
 public:
  GuardedRow(const std::vector<float>& values, std::int64_t offset) : offset_(offset), size_(std::ssize(values)) {
    memory_.assign(static_cast<std::size_t>(offset + size_ + 32), kGuard);
    std::ranges::copy(values, memory_.begin() + offset);
  }
  float* data() { return memory_.data() + offset_; }
  std::vector<float> values() const { return {memory_.begin() + offset_, memory_.begin() + offset_ + size_}; }
  bool guards_intact() const {
    for (std::int64_t i = 0; i < std::ssize(memory_); ++i) {
      if ((i < offset_ || i >= offset_ + size_) && memory_[static_cast<std::size_t>(i)] != kGuard) return false;
    }
    return true;
  }

 private:
  static constexpr float kGuard = 12345.0F;
  std::int64_t offset_, size_;
  std::vector<float> memory_;
};

/// Calls `check(loops, n, offset)` for every instruction set of this machine, length and alignment.
template <class Check>
void for_each_row(Check&& check) {
  for (const simd::RowLoops* loops : tables()) {
    for (std::int64_t n = 0; n <= 70; ++n) {
      CAPTURE(loops->name, n);
      check(*loops, n, n % 4);
    }
    for (const std::int64_t n : {1000, 4096, 4099, 10007}) {
      CAPTURE(loops->name, n);
      check(*loops, n, n % 4 + 1);
    }
  }
}

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
  for (const simd::RowLoops* loops : tables()) {
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
  for (const simd::RowLoops* loops : tables()) {
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

TEST_CASE("Sums, products and maxima of rows agree with double loops at any length and alignment") {
  for_each_row([](const simd::RowLoops& loops, std::int64_t n, std::int64_t offset) {
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

TEST_CASE("Exponentials of a row are scaled, shifted and summed at any length and alignment") {
  for_each_row([](const simd::RowLoops& loops, std::int64_t n, std::int64_t offset) {
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

TEST_CASE("Rows are scaled and added at any length and alignment") {
  for_each_row([](const simd::RowLoops& loops, std::int64_t n, std::int64_t offset) {
    const auto input = random_values<float>(n, 4), start = random_values<float>(n, 5);
    std::vector<double> scaled, added;
    for (std::size_t i = 0; i < input.size(); ++i) {
      scaled.push_back(0.75 * input[i]);
      added.push_back(start[i] + 0.75 * input[i]);
    }
    GuardedRow x(input, offset), y(start, offset + 1);
    loops.add_scaled(0.75F, x.data(), y.data(), n);
    require_close("y + 0.75 x", added, y.values(), {.rel = 1e-6});
    loops.scale(0.75F, x.data(), x.data(), n);
    require_close("0.75 x", scaled, x.values(), {.rel = 1e-6});
    CHECK((x.guards_intact() && y.guards_intact()));
  });
}

TEST_CASE("The float GELU and its derivative are as exact as their documentation says") {
  for (const simd::RowLoops* loops : tables()) {
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
  for_each_row([](const simd::RowLoops& loops, std::int64_t n, std::int64_t offset) {
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
  for (const simd::RowLoops* loops : tables()) {
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

TEST_CASE("Rows are normalised, and the gradients of that are right, at any length and alignment") {
  for_each_row([](const simd::RowLoops& loops, std::int64_t n, std::int64_t offset) {
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
  for (const simd::RowLoops* loops : tables()) {
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
  for (const simd::RowLoops* loops : tables()) {
    CAPTURE(loops->name);
    float found_mean = 0, found_variance = 0;
    loops->mean_variance(x.data(), kCount, &found_mean, &found_variance);
    require_close("sum", sum, loops->sum(x.data(), kCount), {.rel = 1e-6});
    require_close("dot", squares, loops->dot(x.data(), x.data(), kCount), {.rel = 1e-6});
    require_close("mean", mean, found_mean, {.rel = 1e-6});
    require_close("variance", variance, found_variance, {.rel = 1e-6});
  }
}

TEST_CASE("An AdamW update agrees with a double loop over several steps") {
  for_each_row([](const simd::RowLoops& loops, std::int64_t n, std::int64_t offset) {
    const auto start = random_values<float>(n, 14);
    GuardedRow p(start, offset), m(std::vector<float>(start.size()), offset + 1),
        v(std::vector<float>(start.size()), offset + 2);
    std::vector<double> ep(start.begin(), start.end()), em(start.size()), ev(start.size());
    for (int t = 1; t <= 3; ++t) {
      const auto g = random_values<float>(n, static_cast<std::uint64_t>(20 + t));
      const AdamWStep step{.beta1 = 0.9,
                           .beta2 = 0.999,
                           .eps = 1e-8,
                           .step_size = 0.01 / (1 - std::pow(0.9, t)),
                           .sqrt_correction = std::sqrt(1 - std::pow(0.999, t)),
                           .decay = 0.01 * 0.1,
                           .gradient_scale = 0.5};
      loops.adamw(step, g.data(), p.data(), m.data(), v.data(), n);
      for (std::size_t i = 0; i < g.size(); ++i) {
        const double gradient = 0.5 * g[i];
        em[i] = 0.9 * em[i] + 0.1 * gradient;
        ev[i] = 0.999 * ev[i] + 0.001 * gradient * gradient;
        const double first = em[i] / (1 - std::pow(0.9, t)), second = ev[i] / (1 - std::pow(0.999, t));
        ep[i] = ep[i] - 0.01 * 0.1 * ep[i] - 0.01 * first / (std::sqrt(second) + 1e-8);
      }
    }
    require_close("parameter", ep, p.values(), {.rel = 2e-6});
    require_close("first moment", em, m.values(), {.rel = 2e-6});
    require_close("second moment", ev, v.values(), {.rel = 2e-6});
    CHECK((p.guards_intact() && m.guards_intact() && v.guards_intact()));
  });
}

TEST_CASE("Dropout takes its words from the documented Philox blocks, wherever a row starts") {
  const DropoutMask mask{{0x12345678U, 0x9abcdef0U}, 0x60000000U, 1.6};
  for_each_row([&](const simd::RowLoops& loops, std::int64_t n, std::int64_t offset) {
    for (const std::int64_t first : {std::int64_t{0}, std::int64_t{37}, (std::int64_t{1} << 36) + 5}) {
      const auto input = random_values<float>(n, 15, 1, 2);
      std::vector<float> expected;
      for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t e = first + i;
        const auto block = static_cast<std::uint64_t>(16 * (e / 64) + e % 16);
        const auto words = philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0},
                                      {mask.key[0], mask.key[1]});
        const std::uint32_t word = words[static_cast<std::size_t>(e / 16 % 4)];
        expected.push_back(word < mask.threshold ? 0.0F : input[static_cast<std::size_t>(i)] * 1.6F);
      }
      GuardedRow x(input, offset);
      loops.dropout(mask, first, x.data(), x.data(), n);
      require_close("dropout", expected, x.values(), {.rel = 0});
      CHECK(x.guards_intact());
    }
  });
}

TEST_CASE("The double loops agree with the float loops") {
  const std::int64_t n = 100;
  const auto x = random_values<double>(n, 16, -3, 3), w = random_values<double>(n, 17), b = random_values<double>(n, 18);
  const std::vector<float> xf(x.begin(), x.end()), wf(w.begin(), w.end()), bf(b.begin(), b.end());
  std::vector<double> y(x.size());
  std::vector<float> yf(x.size());
  const Tolerance close{.rel = 1e-5};

  require_close("max", row_max(x.data(), n), row_max(xf.data(), n), close);
  require_close("sum", row_sum(x.data(), n), row_sum(xf.data(), n), close);
  require_close("dot", row_dot(x.data(), w.data(), n), row_dot(xf.data(), wf.data(), n), close);
  require_close("exp sum", row_exp_sum(x.data(), 0.5, 1.0, y.data(), n), row_exp_sum(xf.data(), 0.5F, 1.0F, yf.data(), n),
                close);
  require_close("exp", y, yf, close);
  row_add_scaled(0.3, x.data(), y.data(), n);
  row_add_scaled(0.3F, xf.data(), yf.data(), n);
  require_close("add_scaled", y, yf, close);
  row_scale(0.3, y.data(), y.data(), n);
  row_scale(0.3F, yf.data(), yf.data(), n);
  require_close("scale", y, yf, close);
  row_gelu(x.data(), y.data(), n);
  row_gelu(xf.data(), yf.data(), n);
  require_close("gelu", y, yf, close);
  row_gelu_backward(x.data(), w.data(), y.data(), n);
  row_gelu_backward(xf.data(), wf.data(), yf.data(), n);
  require_close("gelu_backward", y, yf, close);
  {
    std::vector<double> value(x.size()), slope(x.size());
    std::vector<float> value32(x.size()), slope32(x.size());
    row_gelu_with_slope(x.data(), value.data(), slope.data(), n);
    row_gelu_with_slope(xf.data(), value32.data(), slope32.data(), n);
    require_close("gelu with slope", value, value32, close);
    require_close("slope of gelu", slope, slope32, close);
  }
  row_normalize(x.data(), 0.2, 1.5, w.data(), b.data(), y.data(), n);
  row_normalize(xf.data(), 0.2F, 1.5F, wf.data(), bf.data(), yf.data(), n);
  require_close("normalize", y, yf, close);

  double mean = 0, variance = 0;
  float mean_f = 0, variance_f = 0;
  row_mean_variance(x.data(), n, &mean, &variance);
  row_mean_variance(xf.data(), n, &mean_f, &variance_f);
  require_close("mean", mean, mean_f, close);
  require_close("variance", variance, variance_f, close);

  std::vector<double> dw(x.size()), db(x.size());
  std::vector<float> dwf(x.size()), dbf(x.size());
  row_normalize_backward(x.data(), 0.2, 1.5, w.data(), b.data(), y.data(), dw.data(), db.data(), n);
  row_normalize_backward(xf.data(), 0.2F, 1.5F, wf.data(), bf.data(), yf.data(), dwf.data(), dbf.data(), n);
  require_close("normalize_backward dx", y, yf, close);
  require_close("normalize_backward dweight", dw, dwf, close);
  require_close("normalize_backward dbias", db, dbf, close);

  const AdamWStep step{.beta1 = 0.9,
                       .beta2 = 0.99,
                       .eps = 1e-8,
                       .step_size = 0.1,
                       .sqrt_correction = 0.3,
                       .decay = 0.01,
                       .gradient_scale = 2};
  std::vector<double> p = b, m = w, v(x.size(), 0.5);
  std::vector<float> pf = bf, mf = wf, vf(x.size(), 0.5F);
  row_adamw(step, x.data(), p.data(), m.data(), v.data(), n);
  row_adamw(step, xf.data(), pf.data(), mf.data(), vf.data(), n);
  require_close("adamw parameter", p, pf, close);
  require_close("adamw m", m, mf, close);
  require_close("adamw v", v, vf, close);

  const DropoutMask mask{{1, 2}, 0x80000000U, 2};
  row_dropout(mask, 37, x.data(), y.data(), n);
  row_dropout(mask, 37, xf.data(), yf.data(), n);
  require_close("dropout", y, yf, close);
}

TEST_CASE("The instruction set in use is one that this machine has", "[isa]") {
  const std::string name = instruction_set();
  REQUIRE(simd::row_loops(name.c_str()) == &simd::row_loops());
  CHECK(simd::row_loops("baseline") != nullptr);
  CHECK(simd::row_loops("sse9") == nullptr);
}
