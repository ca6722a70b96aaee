#include "core/kernels/matmul/gemm.h"

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/parallel.h"
#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

struct Product {
  std::int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;
  std::int64_t gap = 0;  ///< elements between the rows of every matrix
};

Transpose flag(bool transpose) { return transpose ? Transpose::yes : Transpose::no; }

template <class T>
void check_product(const Product& p, double rel) {
  CAPTURE(p.m, p.n, p.k, p.transpose_a, p.transpose_b, p.gap);
  const std::int64_t lda = (p.transpose_a ? p.m : p.k) + p.gap, ldb = (p.transpose_b ? p.k : p.n) + p.gap, ldc = p.n + p.gap;
  const auto a = random_values<T>((p.transpose_a ? p.k : p.m) * lda, 1),
             b = random_values<T>((p.transpose_b ? p.n : p.k) * ldb, 2);
  const auto start = random_values<T>(p.m * ldc, 3);
  const auto element = [](const std::vector<T>& x, std::int64_t ld, bool transpose, std::int64_t i, std::int64_t j) {
    return static_cast<double>(x[static_cast<std::size_t>(transpose ? j * ld + i : i * ld + j)]);
  };
  std::vector<double> product(start.size());
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t l = 0; l < p.k; ++l) {
      const double factor = element(a, lda, p.transpose_a, i, l);
      for (std::int64_t j = 0; j < p.n; ++j) {
        product[static_cast<std::size_t>(i * ldc + j)] += factor * element(b, ldb, p.transpose_b, l, j);
      }
    }
  }
  for (const bool accumulate : {false, true}) {
    // What must not be read.
    auto c = !accumulate ? std::vector<T>(start.size(), std::numeric_limits<T>::quiet_NaN()) : start;
    std::vector<double> expected;
    std::vector<T> found;
    gemm(flag(p.transpose_a), flag(p.transpose_b), p.m, p.n, p.k, a.data(), lda, b.data(), ldb, accumulate, c.data(), ldc);
    for (std::int64_t i = 0; i < p.m * ldc; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i % ldc < p.n) {
        expected.push_back(product[at] + (accumulate ? static_cast<double>(start[at]) : 0));
        found.push_back(c[at]);
      } else {
        REQUIRE((!accumulate ? c[at] != c[at] : c[at] == start[at]));  // the gaps are left alone
      }
    }
    require_close("C", expected, found, {.rel = rel, .abs = rel});
  }
}

/// Every row of C begins with a row of its own.
template <class T>
void check_product_with_row(std::int64_t m, std::int64_t n, std::int64_t k, double rel) {
  CAPTURE(m, n, k);
  const auto a = random_values<T>(m * k + 1, 1), b = random_values<T>(n * k + 1, 2), row = random_values<T>(n, 3);
  std::vector<T> c(static_cast<std::size_t>(m * n), std::numeric_limits<T>::quiet_NaN());
  gemm(Transpose::no, Transpose::yes, m, n, k, a.data(), k, b.data(), k, false, c.data(), n, row.data());
  std::vector<double> expected;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = static_cast<double>(row[static_cast<std::size_t>(j)]);
      for (std::int64_t l = 0; l < k; ++l) {
        sum += static_cast<double>(a[static_cast<std::size_t>(i * k + l)]) *
               static_cast<double>(b[static_cast<std::size_t>(j * k + l)]);
      }
      expected.push_back(sum);
    }
  }
  require_close("C", expected, c, {.rel = rel, .abs = rel});
}

}  // namespace

TEST_CASE("Products begin with a row of their own in every tile, also where the inner dimension is cut") {
  for (const auto& [m, n, k] :
       std::vector<std::array<std::int64_t, 3>>{{1, 1, 1}, {300, 700, 40}, {33, 65, 5000}, {2, 3, 0}}) {
    check_product_with_row<float>(m, n, k, 1e-5);
    check_product_with_row<double>(m, n, k, 1e-12);
  }
}

TEST_CASE("Matrix products agree with double loops for odd sizes, transposes, gaps and sums") {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
               {1, 1, 1}, {3, 5, 7}, {17, 1, 33}, {1, 70, 2}, {64, 64, 64}, {65, 63, 130}, {2, 3, 0}, {257, 130, 70}}) {
        check_product<float>({m, n, k, transpose_a, transpose_b, 0}, 1e-5);
        check_product<double>({m, n, k, transpose_a, transpose_b, 3}, 1e-13);
      }
    }
  }
}

TEST_CASE("Products that are cut into tiles and into ranges of the inner dimension agree with double loops") {
  for (const bool transpose : {false, true}) {
    check_product<float>({300, 700, 40, transpose, !transpose, 1}, 1e-5);
    check_product<float>({33, 65, 5000, transpose, !transpose, 2}, 1e-5);
    check_product<float>({70, 40, 1500, transpose, transpose, 0}, 1e-5);
    // More rows than those for which a right factor is packed where it is used, and rows too long to be read in place.
    check_product<float>({530, 270, 300, false, transpose, 0}, 1e-5);
    check_product<float>({530, 270, 600, true, transpose, 1}, 1e-5);
    check_product<double>({20, 30, 3001, transpose, transpose, 0}, 1e-12);
  }
}

TEST_CASE("Products have the same bits on any number of threads, also inside a parallel loop") {
  for (const Product& p : {Product{100, 100, 100},
                           {600, 520, 70, false, true},
                           {64, 64, 8192, true, false},
                           {256, 256, 2500, true, false},
                           {530, 300, 270, false, false},
                           {530, 300, 270, false, true},
                           {1, 2000, 300}}) {
    CAPTURE(p.m, p.n, p.k);
    const auto a = random_values<float>(p.m * p.k, 4), b = random_values<float>(p.k * p.n, 5);
    std::vector<float> expected;
    const auto multiply = [&] {
      std::vector<float> c(static_cast<std::size_t>(p.m * p.n));
      gemm(flag(p.transpose_a), flag(p.transpose_b), p.m, p.n, p.k, a.data(), p.transpose_a ? p.m : p.k, b.data(),
           p.transpose_b ? p.k : p.n, false, c.data(), p.n);
      return c;
    };
    require_same_bits_on_any_threads("product", [&] { return expected = multiply(); });
    const ThreadCountScope threads(2);
    std::vector<std::vector<float>> nested(2);
    parallel_for(2, [&](std::int64_t i) { nested[static_cast<std::size_t>(i)] = multiply(); });
    CHECK((nested[0] == expected && nested[1] == expected));
  }
}

TEST_CASE("A product without rows or columns does nothing") {
  std::vector<double> c = {1, 2};
  gemm<double>(Transpose::no, Transpose::no, 0, 2, 3, nullptr, 3, nullptr, 2, false, c.data(), 2);
  gemm<double>(Transpose::no, Transpose::no, 2, 0, 3, nullptr, 3, nullptr, 1, false, c.data(), 1);
  CHECK(c == std::vector<double>{1, 2});
}
