#include <cmath>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "tests/catch.h"
#include "tests/core/row_support.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

using namespace cosformer;
using namespace cosformer::test;

TEST_CASE("Rows are scaled and added at any length and alignment") {
  for_each_row([](const RowLoops<float>& loops, std::int64_t n, std::int64_t offset) {
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

TEST_CASE("An AdamW update agrees with a double loop over several steps") {
  for_each_row([](const RowLoops<float>& loops, std::int64_t n, std::int64_t offset) {
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
  for_each_row([&](const RowLoops<float>& loops, std::int64_t n, std::int64_t offset) {
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
