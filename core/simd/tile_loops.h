#pragma once
/// \file
/// Loops over tiles of float matrices that live in a core's caches, one table an instruction set, as row_loops.h has for
/// rows. The same rule holds for its files: they include nothing but this header, <cstdint> and intrinsics.
///
/// Matrices are given by their first element and the elements between rows; a row's elements follow one another.

#include <cstdint>

namespace cosformer::simd {

/// Which part of a product counts. A block of rows is computed as far as one of its rows needs.
enum class Band : std::uint8_t {
  whole,
  lower_columns,  ///< row i of C: columns j ≤ i, the rest may be left as it was
  upper_columns,  ///< row i of C: columns j ≥ i
  lower_inner,    ///< row i of A: p ≤ fixed + i, the rest is 0 and may hold anything
  upper_inner     ///< row i of A: p ≥ i
};

/// Rows that a later tile will read or write. A product fetches a few of their cache lines before each of its blocks, so
/// that they arrive while it computes; asked for all at once they would hold up the loads that are needed now.
struct UpcomingRows {
  struct Part {
    const char* data;
    std::int64_t rows, row_bytes, stride_bytes;
  };
  static constexpr int kMostParts = 6;
  Part parts[kMostParts];
  int count = 0;
  int part = 0;  ///< the part, and the row of it, that comes next
  std::int64_t row = 0;
};

/// C (m × n) = A B, or C += A B. Element (i, p) of A is a[i · a_row + p · a_column], so A may be read transposed.
struct TileProduct {
  std::int64_t m, n, k;
  const float* a;
  std::int64_t a_row, a_column;
  const float* b;
  std::int64_t b_row;
  float* c;
  std::int64_t c_row;
  bool accumulate = false;
  Band band = Band::whole;
  std::int64_t fixed = 0;      ///< see Band::lower_inner
  const float* row = nullptr;  ///< [n], added to every row of C; null = nothing
  UpcomingRows* upcoming = nullptr;
};

struct TileLoops {
  /// Rows and columns of C that a product holds in registers at once.
  int block_rows, block_columns;
  void (*product)(const TileProduct& product);
  /// y (columns × rows) = x (rows × columns) transposed.
  void (*transpose)(std::int64_t rows, std::int64_t columns, const float* x, std::int64_t x_row, float* y,
                    std::int64_t y_row);
  /// y = x if x ≥ 0, else slope · x; for slope = 0 exactly 0, also for infinities.
  void (*leaky)(float slope, std::int64_t rows, std::int64_t columns, const float* x, std::int64_t x_row, float* y,
                std::int64_t y_row);
  /// dx = dy if x > 0, else slope · dy.
  void (*leaky_gradient)(float slope, std::int64_t rows, std::int64_t columns, const float* x, std::int64_t x_row,
                         const float* dy, std::int64_t dy_row, float* dx, std::int64_t dx_row);
  /// y_i = factor_i · x_i, row by row.
  void (*scale_rows)(std::int64_t rows, std::int64_t columns, const float* factors, const float* x, std::int64_t x_row,
                     float* y, std::int64_t y_row);
  /// z_ij = x_ij + y_ij. z may be x or y.
  void (*sum_rows)(std::int64_t rows, std::int64_t columns, const float* x, std::int64_t x_row, const float* y,
                   std::int64_t y_row, float* z, std::int64_t z_row);
  /// z_ij = x_ij · y_ij. z may be x or y.
  void (*multiply_rows)(std::int64_t rows, std::int64_t columns, const float* x, std::int64_t x_row, const float* y,
                        std::int64_t y_row, float* z, std::int64_t z_row);
  /// x_ij *= weights[j - i]; exactly 0 where the weight is 0, whatever x holds.
  void (*weigh_diagonals)(std::int64_t rows, std::int64_t columns, const float* weights, float* x, std::int64_t x_row);
  /// results_i = Σ_j x_ij y_ij; y_row = 0 takes one row y for all.
  void (*row_dots)(std::int64_t rows, std::int64_t columns, const float* x, std::int64_t x_row, const float* y,
                   std::int64_t y_row, float* results);
  /// y_j += Σ_i x_ij.
  void (*add_rows)(std::int64_t rows, std::int64_t columns, const float* x, std::int64_t x_row, float* y);
  /// Rounds of independent multiply-adds on registers; returns how many floating-point operations they were.
  std::int64_t (*multiply_adds)(std::int64_t rounds);
};

/// The table of one of `kInstructionSets` (row_loops.h); null for another name, or if this processor or build lacks the set.
const TileLoops* tile_loops(const char* instruction_set);

/// The table in use; see `instruction_set()`.
const TileLoops& tile_loops();

const TileLoops& baseline_tile_loops();
#ifdef COSFORMER_X86_ROW_LOOPS
const TileLoops& avx2_tile_loops();
const TileLoops& avx512_tile_loops();
#endif
#ifdef __aarch64__
const TileLoops& neon_tile_loops();
#endif

}  // namespace cosformer::simd
