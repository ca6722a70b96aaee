#include "core/kernels/matmul/gemm.h"

#include <cblas.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <string_view>
#include <type_traits>

#include "core/kernels/matmul/tiled_product.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/serial_blas.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

CBLAS_TRANSPOSE cblas(Transpose transpose) { return transpose == Transpose::yes ? CblasTrans : CblasNoTrans; }

/// How a product is cut: tiles of C, each the sum over ranges of `depth` of the inner dimension.
struct Tiling {
  std::int64_t rows, columns, depth;
};

std::int64_t pieces(std::int64_t size, std::int64_t piece) { return (size + piece - 1) / piece; }

/// The widest tile that leaves enough of them: OpenBLAS loses 2 % at 256×256 against 512×512, 10 % at 128×128, so a small C
/// with a long inner dimension (the gradient of a weight) is cut along that instead, which costs next to nothing.
Tiling choose_tiling(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t kTiles = 12;
  constexpr std::int64_t kLeastDepth = 512;
  constexpr std::int64_t kLeastWork = std::int64_t{1} << 20;  // multiplications that are worth a piece
  Tiling tiling{std::min<std::int64_t>(m, 512), std::min<std::int64_t>(n, 512), std::max<std::int64_t>(k, 1)};
  const auto count = [&] {
    return pieces(m, tiling.rows) * pieces(n, tiling.columns) * std::max<std::int64_t>(pieces(k, tiling.depth), 1);
  };
  const auto work = [&] { return tiling.rows * tiling.columns * tiling.depth; };
  if (count() < kTiles) tiling.columns = std::min<std::int64_t>(n, 256);
  if (count() < kTiles) tiling.rows = std::min<std::int64_t>(m, 256);
  if (count() < kTiles) {
    const std::int64_t ranges = std::min({pieces(kTiles, count()), k / kLeastDepth, work() / kLeastWork});
    if (ranges > 1) tiling.depth = pieces(pieces(k, ranges), 64) * 64;
  }
  while (count() < kTiles && work() >= 2 * kLeastWork && std::max(tiling.rows, tiling.columns) > 64) {
    std::int64_t& longer = tiling.rows > tiling.columns ? tiling.rows : tiling.columns;
    longer = pieces(longer, 64) * 32;
  }
  return tiling;
}

/// Without fused multiply-adds our loops are slower than OpenBLAS.
bool has_fast_tiles() { return std::string_view(instruction_set()) != "baseline"; }

}  // namespace

template <class T>
void gemm_serial(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
                 std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc) {
  if (m <= 0 || n <= 0) return;
  const SerialBlas serial;
  const auto call = [&](auto function) {
    function(CblasRowMajor, cblas(transpose_a), cblas(transpose_b), static_cast<blasint>(m), static_cast<blasint>(n),
             static_cast<blasint>(k), T{1}, a, static_cast<blasint>(std::max<std::int64_t>(lda, 1)), b,
             static_cast<blasint>(std::max<std::int64_t>(ldb, 1)), accumulate ? T{1} : T{0}, c, static_cast<blasint>(ldc));
  };
  if constexpr (std::is_same_v<T, float>) {
    call(cblas_sgemm);
  } else {
    call(cblas_dgemm);
  }
}

template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
          std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc, const T* row) {
  assert(row == nullptr || !accumulate);
  if (m <= 0 || n <= 0) return;
  if constexpr (std::is_same_v<T, float>) {
    if (has_fast_tiles()) {
      detail::tiled_product(transpose_a, transpose_b, m, n, k, {a, lda}, {b, ldb}, accumulate, {c, ldc}, row);
      return;
    }
  }
  const Tiling tiling = choose_tiling(m, n, k);
  const std::int64_t row_tiles = pieces(m, tiling.rows), column_tiles = pieces(n, tiling.columns);
  const std::int64_t ranges = std::max<std::int64_t>(pieces(k, tiling.depth), 1);

  // The first range goes to C itself, the others to C's of their own [ranges - 1, m, n], added in order at the end.
  std::shared_ptr<std::byte> memory;
  if (ranges > 1) memory = allocate_block(static_cast<std::size_t>((ranges - 1) * m * n) * sizeof(T));
  T* const partial = reinterpret_cast<T*>(memory.get());

  parallel_for(row_tiles * column_tiles * ranges, [&](std::int64_t piece) {
    const std::int64_t range = piece % ranges, tile = piece / ranges;
    const std::int64_t first = tile / column_tiles * tiling.rows, column = tile % column_tiles * tiling.columns;
    const std::int64_t inner = range * tiling.depth;
    const T* a_tile = a + (transpose_a == Transpose::yes ? inner * lda + first : first * lda + inner);
    const T* b_tile = b + (transpose_b == Transpose::yes ? column * ldb + inner : inner * ldb + column);
    T* const target = range == 0 ? c + first * ldc + column : partial + ((range - 1) * m + first) * n + column;
    const std::int64_t rows = std::min(tiling.rows, m - first), columns = std::min(tiling.columns, n - column);
    const bool begins_with_row = row != nullptr && range == 0;
    for (std::int64_t i = 0; begins_with_row && i < rows; ++i) std::copy_n(row + column, columns, target + i * ldc);
    gemm_serial(transpose_a, transpose_b, rows, columns, std::min(tiling.depth, k - inner), a_tile, lda, b_tile, ldb,
                begins_with_row || (range == 0 && accumulate), target, range == 0 ? ldc : n);
  });
  if (ranges == 1) return;
  parallel_ranges(m, kElementwiseGrain / n + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t range = 1; range < ranges; ++range) {
        loops<T>().add_scaled(T{1}, partial + ((range - 1) * m + i) * n, c + i * ldc, n);
      }
    }
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                          \
  template void gemm<T>(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, const T*, std::int64_t, const T*, \
                        std::int64_t, bool, T*, std::int64_t, const T*);                                                  \
  template void gemm_serial<T>(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, const T*, std::int64_t,    \
                               const T*, std::int64_t, bool, T*, std::int64_t);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
