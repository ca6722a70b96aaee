#pragma once
/// \file
/// Tiles of rows that pass through several operations while they are in cache, and the weights' gradients that they add up.
/// Internal to the kernels that work on rows of a narrow model.

#include <algorithm>
#include <cstring>

#include "core/kernels/gradient.h"
#include "core/kernels/scratch_matrix.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// Rows of a tile: a multiple of the rows that a product holds in registers, few enough for the second-level cache.
inline constexpr std::int64_t kTileRows = 96;

/// Rows are cut into strips of this many, each with sums of its own, so that threads can share one long sequence.
inline constexpr std::int64_t kStripRows = 4096;

inline std::int64_t strip_count(std::int64_t rows) {
  return std::max<std::int64_t>((rows + kStripRows - 1) / kStripRows, 1);
}

/// Calls `visit(strip, for_each_tile)` for each strip, in parallel; for_each_tile(body) calls body(begin, count) for its
/// tiles in order.
template <class Visit>
void for_each_strip(std::int64_t rows, Visit&& visit) {
  parallel_for(strip_count(rows), [&](std::int64_t strip) {
    const std::int64_t end = std::min((strip + 1) * kStripRows, rows);
    visit(strip, [&](auto&& body) {
      for (std::int64_t begin = strip * kStripRows; begin < end; begin += kTileRows) {
        body(begin, std::min(kTileRows, end - begin));
      }
    });
  });
}

/// Sums of `size` numbers for each strip, zero at first.
template <class T>
class StripSums {
 public:
  StripSums(std::int64_t rows, std::int64_t size) : strips_(strip_count(rows)), size_(size), sums_(strips_, size) {
    sums_.fill_zero();
  }
  T* of(std::int64_t strip) const { return sums_[strip]; }
  /// The sum of numbers [first, first + count) of all strips, in their order.
  void put(const Gradient<T>& gradient, std::int64_t first, std::int64_t count) const {
    T* const target = begin_sum(gradient, count);
    if (target == nullptr) return;
    for (std::int64_t strip = 0; strip < strips_; ++strip) loops<T>().add_scaled(T{1}, sums_[strip] + first, target, count);
  }

 private:
  std::int64_t strips_, size_;
  ScratchMatrix<T> sums_;
};

/// target row = what `RowLoops::dropout` makes of source row, of rows of one array of which the tile's first is `first_row`.
template <class T>
void dropout_rows(const DropoutMask& mask, std::int64_t first_row, std::int64_t count, std::int64_t width,
                  MatrixView<const T> source, MatrixView<T> target) {
  for (std::int64_t i = 0; i < count; ++i) loops<T>().dropout(mask, (first_row + i) * width, source[i], target[i], width);
}

}  // namespace cosformer::detail
