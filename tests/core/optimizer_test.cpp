#include "core/kernels/optimizer.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;

TEST_CASE("SGD with momentum, Nesterov, weight decay and clipping follows its formula for several steps") {
  for (const bool nesterov : {false, true}) {
    for (const double momentum : {0.0, 0.9}) {
      for (const std::int64_t n : {0, 1, 70, 40000}) {
        CAPTURE(nesterov, momentum, n);
        const SgdStep step{
            .learning_rate = 0.1, .momentum = momentum, .weight_decay = 0.01, .gradient_scale = 0.5, .nesterov = nesterov};
        auto p = random_values<float>(n, 1);
        std::vector<double> expected(p.begin(), p.end()), velocity(p.size());
        std::vector<float> u(p.size());
        for (std::uint64_t t = 0; t < 3; ++t) {
          const auto g = random_values<float>(n, 2 + t);
          sgd_update(step, g.data(), p.data(), momentum == 0 ? nullptr : u.data(), n);
          for (std::size_t i = 0; i < p.size(); ++i) {
            const double gradient = 0.5 * g[i] + 0.01 * expected[i];
            velocity[i] = momentum * velocity[i] + gradient;
            expected[i] -= 0.1 * (nesterov ? gradient + momentum * velocity[i] : velocity[i]);
          }
        }
        require_close("parameter", expected, p, {.rel = 1e-6});
        if (momentum != 0) require_close("velocity", velocity, u, {.rel = 1e-6});
      }
    }
  }
}

TEST_CASE("Lion follows its formula for several steps, with the same bits on any number of threads") {
  const LionStep step{.beta1 = 0.9, .beta2 = 0.99, .learning_rate = 0.1, .decay = 0.003, .gradient_scale = 0.5};
  for (const std::int64_t n : {0, 1, 70, 40000}) {
    CAPTURE(n);
    const auto start = random_values<float>(n, 1);
    const auto train = [&](std::vector<float>& p, std::vector<float>& m) {
      for (std::uint64_t t = 0; t < 3; ++t) lion_update(step, random_values<float>(n, 2 + t).data(), p.data(), m.data(), n);
    };
    std::vector<double> expected(start.begin(), start.end()), moment(start.size());
    for (std::uint64_t t = 0; t < 3; ++t) {
      const auto g = random_values<float>(n, 2 + t);
      for (std::size_t i = 0; i < start.size(); ++i) {
        const double c = 0.9 * moment[i] + 0.1 * (0.5 * g[i]);
        expected[i] -= 0.1 * (c > 0 ? 1 : c < 0 ? -1 : 0) + 0.003 * expected[i];
        moment[i] = 0.99 * moment[i] + 0.01 * (0.5 * g[i]);
      }
    }
    const auto trained = [&] {
      std::vector<float> p = start, m(start.size());
      train(p, m);
      require_close("parameter", expected, p, {.rel = 1e-6});
      require_close("moment", moment, m, {.rel = 1e-6});
      return p;
    };
    if (n == 0) {
      trained();
    } else {
      require_same_bits_on_any_threads("lion", trained);
    }
  }
}

TEST_CASE("AdamW over many elements is the row loop, with the same bits on any number of threads") {
  const std::int64_t n = 100003;
  const auto start = random_values<float>(n, 5), g = random_values<float>(n, 6);
  const AdamWStep step{.beta1 = 0.9,
                       .beta2 = 0.999,
                       .eps = 1e-8,
                       .step_size = 0.1,
                       .sqrt_correction = 0.2,
                       .decay = 0.01,
                       .gradient_scale = 1};
  std::vector<float> p = start, m(start.size()), v(start.size());
  loops<float>().adamw(step, g.data(), p.data(), m.data(), v.data(), n);
  require_same_bits_on_any_threads("adamw", [&] {
    std::vector<float> own = start, own_m(start.size()), own_v(start.size());
    adamw_update(step, g.data(), own.data(), own_m.data(), own_v.data(), n);
    require_close("parameter", p, own, {.rel = 0});
    require_close("m", m, own_m, {.rel = 0});
    require_close("v", v, own_v, {.rel = 0});
    return own;
  });
}

TEST_CASE("The sum of squares is a double sum that neither overflows nor depends on the threads") {
  for (const std::int64_t n : {0, 1, 7, 8, 9, 70, 16384, 50001}) {
    CAPTURE(n);
    const auto x = random_values<float>(n, 7);
    double expected = 0;
    for (const float value : x) expected += static_cast<double>(value) * value;
    require_close("sum of squares", expected, sum_of_squares(x.data(), n), {.rel = 1e-13});
  }
  const std::vector<float> large(100, 1e30F);
  require_close("large", 1e62, sum_of_squares(large.data(), 100), {.rel = 1e-6});
  const auto x = random_values<double>(200000, 8);
  require_same_bits_on_any_threads("sum of squares",
                                   [&] { return std::vector<double>{sum_of_squares(x.data(), std::ssize(x))}; });
}

TEST_CASE("A single infinite or NaN element is found wherever it stands") {
  for (const std::int64_t n : {1, 17, 40000}) {
    for (const std::int64_t position : {std::int64_t{0}, n / 2, n - 1}) {
      for (const double bad : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()}) {
        CAPTURE(n, position, bad);
        std::vector<float> x(static_cast<std::size_t>(n), std::numeric_limits<float>::max());
        std::vector<double> y(x.begin(), x.end());
        REQUIRE(all_finite(x.data(), n));
        REQUIRE(all_finite(y.data(), n));
        x[static_cast<std::size_t>(position)] = static_cast<float>(bad);
        y[static_cast<std::size_t>(position)] = bad;
        CHECK_FALSE(all_finite(x.data(), n));
        CHECK_FALSE(all_finite(y.data(), n));
      }
    }
  }
  CHECK(all_finite<float>(nullptr, 0));
}
