#include "core/simd/tile_loops.h"

#include <cmath>
#include <limits>
#include <vector>

#include "core/simd/row_loops.h"
#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

namespace cosformer {
namespace {

using simd::Band;
using simd::TileLoops;
using test::random_values;
using test::require_close;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Calls `check(loops)` for every instruction set of this machine.
template <class Check>
void on_every_instruction_set(Check check) {
  int count = 0;
  for (const char* name : simd::kInstructionSets) {
    const TileLoops* loops = simd::tile_loops(name);
    if (loops == nullptr) continue;
    ++count;
    CAPTURE(name);
    check(*loops);
  }
  REQUIRE(count >= 1);
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct ProductCase {
  std::int64_t m, n, k;
};

/// Does element p of row i of A count, or element j of row i of C?
bool counts(Band band, std::int64_t fixed, std::int64_t i, std::int64_t x, bool inner) {
  if (inner && band == Band::lower_inner) return x <= fixed + i;
  if (inner && band == Band::upper_inner) return x >= i;
  if (!inner && band == Band::lower_columns) return x <= i;
  if (!inner && band == Band::upper_columns) return x >= i;
  return true;
}

TEST_CASE("A product fetches what comes next to its end and gives the same bits") {
  constexpr std::int64_t kSize = 70;
  const std::vector<float> a = random_values<float>(kSize * kSize, 1), b = random_values<float>(kSize * kSize, 2);
  on_every_instruction_set([&](const TileLoops& loops) {
    std::vector<float> plain(at(kSize * kSize)), fetching = plain;
    simd::TileProduct product{kSize, kSize, kSize, a.data(), kSize, 1, b.data(), kSize, plain.data(), kSize};
    loops.product(product);
    // Rows of one byte, of many lines and of none; fetching never reads, so what they hold does not matter.
    const char* const first = reinterpret_cast<const char*>(b.data());
    simd::UpcomingRows upcoming{
        .parts = {{first, 1, 1, 0}, {first, kSize, 4 * kSize, 4 * kSize}, {first, 5, 0, 64}, {first, 2, 640, 64}},
        .count = 4};
    product.c = fetching.data();
    product.upcoming = &upcoming;
    for (int calls = 0; upcoming.part < upcoming.count && calls < 100; ++calls) loops.product(product);
    CHECK((upcoming.part == upcoming.count && upcoming.row == 0));
    loops.product(product);
    CHECK(fetching == plain);
  });
}

TEST_CASE("A tile's product equals plain loops for every size, transposition and band") {
  const auto size = GENERATE(ProductCase{1, 1, 1}, ProductCase{6, 64, 10}, ProductCase{7, 65, 3}, ProductCase{13, 5, 64},
                             ProductCase{64, 64, 64}, ProductCase{70, 130, 71}, ProductCase{12, 31, 0}, ProductCase{5, 0, 4},
                             ProductCase{30, 32, 9}, ProductCase{25, 70, 6}, ProductCase{41, 14, 8});
  const auto band = GENERATE(Band::whole, Band::lower_columns, Band::upper_columns, Band::lower_inner, Band::upper_inner);
  const bool transposed = GENERATE(false, true), accumulate = GENERATE(false, true);
  const std::int64_t m = size.m, n = size.n, k = size.k, fixed = 3;
  const std::int64_t a_row = transposed ? 1 : k + 2, a_column = transposed ? m + 3 : 1, b_row = n + 5, c_row = n + 1;
  CAPTURE(m, n, k, static_cast<int>(band), transposed, accumulate);
  std::vector<float> a = random_values<float>(m * (k + 2) + k * (m + 3), 1);
  const std::vector<float> b = random_values<float>(k * b_row + 1, 2), before = random_values<float>(m * c_row + 1, 3);
  // What the band leaves out is 0.
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t p = 0; p < k; ++p) {
      if (!counts(band, fixed, i, p, true)) a[at(i * a_row + p * a_column)] = 0;
    }
  }
  on_every_instruction_set([&](const TileLoops& loops) {
    std::vector<float> c = before;
    loops.product({m, n, k, a.data(), a_row, a_column, b.data(), b_row, c.data(), c_row, accumulate, band, fixed});
    std::vector<double> expected, actual;
    for (std::int64_t i = 0; i < m; ++i) {
      REQUIRE(c[at(i * c_row + n)] == before[at(i * c_row + n)]);
      for (std::int64_t j = 0; j < n; ++j) {
        if (!counts(band, fixed, i, j, false)) continue;
        double sum = accumulate ? before[at(i * c_row + j)] : 0;
        for (std::int64_t p = 0; p < k; ++p) {
          sum += static_cast<double>(a[at(i * a_row + p * a_column)]) * b[at(p * b_row + j)];
        }
        expected.push_back(sum);
        actual.push_back(c[at(i * c_row + j)]);
      }
    }
    require_close("c", expected, actual, {.rel = 1e-6});
  });
}

TEST_CASE("A tile is transposed whatever its size") {
  const auto rows = GENERATE(1, 3, 4, 64, 66), columns = GENERATE(1, 4, 7, 65);
  const std::vector<float> x = random_values<float>(rows * (columns + 1), 4);
  on_every_instruction_set([&](const TileLoops& loops) {
    std::vector<float> y(at(columns * (rows + 2)), -7);
    loops.transpose(rows, columns, x.data(), columns + 1, y.data(), rows + 2);
    for (std::int64_t j = 0; j < columns; ++j) {
      for (std::int64_t i = 0; i < rows; ++i) REQUIRE(y[at(j * (rows + 2) + i)] == x[at(i * (columns + 1) + j)]);
      REQUIRE(y[at(j * (rows + 2) + rows)] == -7);
    }
  });
}

TEST_CASE("Diagonal weights of 0 remove whatever a tile holds") {
  const std::int64_t rows = 21, columns = 19;
  std::vector<float> weights(64, 0.0F);
  for (std::int64_t distance = 0; distance < rows; ++distance)
    weights[at(32 - distance)] = 1.0F / static_cast<float>(1 + distance);
  on_every_instruction_set([&](const TileLoops& loops) {
    std::vector<float> x(at(rows * columns), 2.0F);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = i + 1; j < columns; ++j) x[at(i * columns + j)] = kNaN;
    }
    loops.weigh_diagonals(rows, columns, weights.data() + 32, x.data(), columns);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        const float expected = j > i ? 0.0F : 2.0F / static_cast<float>(1 + i - j);
        require_close("x", expected, x[at(i * columns + j)], {.rel = 1e-6});
      }
    }
  });
}

TEST_CASE("Maps, scalings and sums of a tile's rows equal plain loops") {
  const auto rows = GENERATE(1, 5), columns = GENERATE(1, 15, 16, 37);
  const float slope = GENERATE(0.0F, 0.01F, 1.0F);
  const std::vector<float> x = random_values<float>(rows * columns, 5), y = random_values<float>(rows * columns, 6);
  const std::vector<float> factors = random_values<float>(rows, 7);
  on_every_instruction_set([&](const TileLoops& loops) {
    const auto size = x.size();
    std::vector<float> mapped(size), gradient(size), scaled(size), dots(at(rows)), sums(at(columns), 1.0F);
    loops.leaky(slope, rows, columns, x.data(), columns, mapped.data(), columns);
    loops.leaky_gradient(slope, rows, columns, x.data(), columns, y.data(), columns, gradient.data(), columns);
    loops.scale_rows(rows, columns, factors.data(), x.data(), columns, scaled.data(), columns);
    loops.row_dots(rows, columns, x.data(), columns, y.data(), columns, dots.data());
    loops.add_rows(rows, columns, x.data(), columns, sums.data());
    std::vector<double> expected_dots(at(rows)), expected_sums(at(columns), 1.0);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        const std::size_t e = at(i * columns + j);
        REQUIRE(mapped[e] == (x[e] < 0 ? x[e] * slope : x[e]));
        REQUIRE(gradient[e] == (x[e] > 0 ? y[e] : slope * y[e]));
        REQUIRE(scaled[e] == factors[at(i)] * x[e]);
        expected_dots[at(i)] += static_cast<double>(x[e]) * y[e];
        expected_sums[at(j)] += x[e];
      }
    }
    require_close("dots", expected_dots, dots, {.rel = 1e-6, .abs = 1e-6});
    require_close("sums", expected_sums, sums, {.rel = 1e-6});
  });
}

TEST_CASE("A product begins with a row of its own where it is given one") {
  const std::int64_t m = GENERATE(1, 7, 12), n = GENERATE(1, 16, 70), k = GENERATE(0, 5);
  const std::vector<float> a = random_values<float>(m * k + 1, 1), b = random_values<float>(k * n + 1, 2),
                           row = random_values<float>(n, 3);
  on_every_instruction_set([&](const TileLoops& loops) {
    std::vector<float> c(at(m * n), kNaN);
    loops.product({.m = m,
                   .n = n,
                   .k = k,
                   .a = a.data(),
                   .a_row = k,
                   .a_column = 1,
                   .b = b.data(),
                   .b_row = n,
                   .c = c.data(),
                   .c_row = n,
                   .row = row.data()});
    std::vector<double> expected;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = row[at(j)];
        for (std::int64_t p = 0; p < k; ++p) sum += static_cast<double>(a[at(i * k + p)]) * b[at(p * n + j)];
        expected.push_back(sum);
      }
    }
    require_close("product", expected, c, {.rel = 1e-6});
  });
}

TEST_CASE("Tiles are added and multiplied element by element, also in place") {
  const std::int64_t rows = GENERATE(1, 5), columns = GENERATE(1, 15, 16, 37);
  const std::vector<float> x = random_values<float>(rows * columns, 5), y = random_values<float>(rows * columns, 6);
  on_every_instruction_set([&](const TileLoops& loops) {
    std::vector<float> sum(x.size()), in_place = y;
    loops.sum_rows(rows, columns, x.data(), columns, y.data(), columns, sum.data(), columns);
    loops.multiply_rows(rows, columns, x.data(), columns, in_place.data(), columns, in_place.data(), columns);
    for (std::size_t e = 0; e < x.size(); ++e) {
      REQUIRE(sum[e] == x[e] + y[e]);
      REQUIRE(in_place[e] == x[e] * y[e]);
    }
  });
}

TEST_CASE("The rectifier gives exactly 0 for minus infinity and keeps NaN") {
  on_every_instruction_set([](const TileLoops& loops) {
    const std::vector<float> x{-std::numeric_limits<float>::infinity(), kNaN, -0.0F};
    std::vector<float> y(3);
    loops.leaky(0.0F, 1, 3, x.data(), 3, y.data(), 3);
    REQUIRE(y[0] == 0);
    REQUIRE(std::isnan(y[1]));
    REQUIRE(y[2] == 0);
  });
}

}  // namespace
}  // namespace cosformer
