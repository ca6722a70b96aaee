// The OpenBLAS that this process is linked with, as core/blas_kernels.h sees it.
#include <cblas.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "core/blas_kernels.h"
#include "core/serial_blas.h"

// Exported by every build that holds kernels for several processors, since 0.3.5 at least; the library's constructor and
// destructor call them. The first reads OPENBLAS_CORETYPE and fills in a table if there is none, the other drops the
// table.
extern "C" {
[[gnu::weak]] void gotoblas_dynamic_init(void);
[[gnu::weak]] void gotoblas_dynamic_quit(void);
}

namespace cosformer {

namespace {

constexpr const char* kVariable = "OPENBLAS_CORETYPE";

void take_kernels(const std::string& kernels) {
  if (gotoblas_dynamic_init == nullptr || gotoblas_dynamic_quit == nullptr) return;
  const char* const set = std::getenv(kVariable);
  const std::optional<std::string> before = set == nullptr ? std::nullopt : std::optional<std::string>(set);
  ::setenv(kVariable, kernels.c_str(), 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  // Not for the processes that this one starts, perhaps on other machines.
  before ? ::setenv(kVariable, before->c_str(), 1) : ::unsetenv(kVariable);
}

/// A product of small integers: every sum is exact in float, so that any order of it gives the same bits.
struct Sample {
  std::int64_t m, n, k;
};
/// Below and above the size (10^6 multiplications) up to which OpenBLAS takes its kernels for small matrices; no side is a
/// multiple of a tile.
constexpr Sample kSamples[] = {{33, 47, 65}, {70, 131, 129}};

/// [rows, columns], or transposed, of values in -8 … 7.
template <class T>
std::vector<T> sample_matrix(std::int64_t rows, std::int64_t columns, std::uint32_t seed, bool transposed) {
  std::vector<T> values(static_cast<std::size_t>(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      seed = seed * 1664525u + 1013904223u;
      values[static_cast<std::size_t>(transposed ? j * rows + i : i * columns + j)] = static_cast<T>(seed >> 28) - T{8};
    }
  }
  return values;
}

template <class T>
std::vector<T> plain_product(const Sample& size, const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> c(static_cast<std::size_t>(size.m * size.n));
  for (std::int64_t i = 0; i < size.m; ++i) {
    for (std::int64_t l = 0; l < size.k; ++l) {
      for (std::int64_t j = 0; j < size.n; ++j)
        c[static_cast<std::size_t>(i * size.n + j)] +=
            a[static_cast<std::size_t>(i * size.k + l)] * b[static_cast<std::size_t>(l * size.n + j)];
    }
  }
  return c;
}

struct Transposed {
  bool a, b;
};

template <class T>
bool computes_right_in(const Sample& size) {
  const std::vector<T> expected =
      plain_product(size, sample_matrix<T>(size.m, size.k, 1, false), sample_matrix<T>(size.k, size.n, 2, false));
  for (const Transposed& transposed : {Transposed{false, false}, {false, true}, {true, false}}) {
    const std::vector<T> a = sample_matrix<T>(size.m, size.k, 1, transposed.a),
                         b = sample_matrix<T>(size.k, size.n, 2, transposed.b);
    // What is there before must not be read.
    std::vector<T> c(expected.size(), std::numeric_limits<T>::quiet_NaN());
    const auto call = [&](auto product) {
      product(CblasRowMajor, transposed.a ? CblasTrans : CblasNoTrans, transposed.b ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(size.m), static_cast<blasint>(size.n), static_cast<blasint>(size.k), T{1}, a.data(),
              static_cast<blasint>(transposed.a ? size.m : size.k), b.data(),
              static_cast<blasint>(transposed.b ? size.k : size.n), T{0}, c.data(), static_cast<blasint>(size.n));
    };
    if constexpr (sizeof(T) == sizeof(float)) {
      call(cblas_sgemm);
    } else {
      call(cblas_dgemm);
    }
    if (c != expected) return false;
  }
  return true;
}

bool computes_right() {
  const SerialBlas serial;
  return std::ranges::all_of(
      kSamples, [](const Sample& size) { return computes_right_in<float>(size) && computes_right_in<double>(size); });
}

}  // namespace

BlasLibrary linked_blas() {
  return {[] { return std::string(openblas_get_corename()); }, take_kernels, computes_right};
}

}  // namespace cosformer
