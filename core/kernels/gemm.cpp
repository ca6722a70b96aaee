#include "core/kernels/gemm.h"

#include <cblas.h>

#include <algorithm>
#include <cassert>
#include <type_traits>

#include "core/parallel.h"

namespace cosformer {

namespace {

CBLAS_TRANSPOSE cblas(Transpose transpose) { return transpose == Transpose::yes ? CblasTrans : CblasNoTrans; }

/// Edge of a tile. Wide enough that OpenBLAS packs its operands well, small enough that products of language models
/// give every thread several tiles.
constexpr std::int64_t kTileRows = 256;
constexpr std::int64_t kTileColumns = 512;

}  // namespace

template <class T>
void gemm_serial(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, T alpha,
                 const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c, std::int64_t ldc) {
  assert(in_parallel_region());
  if (m <= 0 || n <= 0) return;
  const auto call = [&](auto function) {
    function(CblasRowMajor, cblas(transpose_a), cblas(transpose_b), static_cast<blasint>(m), static_cast<blasint>(n),
             static_cast<blasint>(k), alpha, a, static_cast<blasint>(std::max<std::int64_t>(lda, 1)), b,
             static_cast<blasint>(std::max<std::int64_t>(ldb, 1)), beta, c, static_cast<blasint>(ldc));
  };
  if constexpr (std::is_same_v<T, float>) {
    call(cblas_sgemm);
  } else {
    call(cblas_dgemm);
  }
}

template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a,
          std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c, std::int64_t ldc) {
  const std::int64_t row_tiles = (m + kTileRows - 1) / kTileRows;
  const std::int64_t column_tiles = (n + kTileColumns - 1) / kTileColumns;
  parallel_for(row_tiles * column_tiles, [&](std::int64_t tile) {
    const std::int64_t row = tile / column_tiles * kTileRows;
    const std::int64_t column = tile % column_tiles * kTileColumns;
    const T* a_tile = a + (transpose_a == Transpose::yes ? row : row * lda);
    const T* b_tile = b + (transpose_b == Transpose::yes ? column * ldb : column);
    gemm_serial(transpose_a, transpose_b, std::min(kTileRows, m - row), std::min(kTileColumns, n - column), k, alpha, a_tile,
                lda, b_tile, ldb, beta, c + row * ldc + column, ldc);
  });
}

template void gemm<float>(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, float, const float*, std::int64_t,
                          const float*, std::int64_t, float, float*, std::int64_t);
template void gemm<double>(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, double, const double*, std::int64_t,
                           const double*, std::int64_t, double, double*, std::int64_t);
template void gemm_serial<float>(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, float, const float*,
                                 std::int64_t, const float*, std::int64_t, float, float*, std::int64_t);
template void gemm_serial<double>(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, double, const double*,
                                  std::int64_t, const double*, std::int64_t, double, double*, std::int64_t);

}  // namespace cosformer
