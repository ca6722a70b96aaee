#pragma once
/// \file
/// Tiles of rows that pass through several operations while they are in cache, and the weights' gradients that they add up.
/// Internal to the kernels that work on rows of a narrow model.

#include <algorithm>
#include <cstring>

#include "core/kernels/gradient.h"
#include "core/kernels/tiles.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// Rows of a tile: a multiple of the rows that a product holds in registers, few enough for the second-level cache.
inline constexpr std::int64_t kTileRows = 96;

/// Rows are cut into segments of this many, each with sums of its own, so that threads can share one long sequence.
inline constexpr std::int64_t kSegmentRows = 4096;

inline std::int64_t segment_count(std::int64_t rows) {
  return std::max<std::int64_t>((rows + kSegmentRows - 1) / kSegmentRows, 1);
}

/// Calls `visit(segment, for_each_tile)` for each segment, in parallel; for_each_tile(body) calls body(begin, count) for its
/// tiles in order.
template <class Visit>
void for_each_segment(std::int64_t rows, Visit&& visit) {
  parallel_for(segment_count(rows), [&](std::int64_t segment) {
    const std::int64_t end = std::min((segment + 1) * kSegmentRows, rows);
    visit(segment, [&](auto&& body) {
      for (std::int64_t begin = segment * kSegmentRows; begin < end; begin += kTileRows) {
        body(begin, std::min(kTileRows, end - begin));
      }
    });
  });
}

/// Sums of `size` numbers for each segment, zero at first.
template <class T>
class SegmentSums {
 public:
  SegmentSums(std::int64_t rows, std::int64_t size) : segments_(segment_count(rows)), size_(size), sums_(segments_, size) {
    sums_.fill_zero();
  }
  T* of(std::int64_t segment) const { return sums_[segment]; }
  /// The sum of numbers [first, first + count) of all segments, in their order.
  void put(const Gradient<T>& gradient, std::int64_t first, std::int64_t count) const {
    T* const target = begin_sum(gradient, count);
    if (target == nullptr) return;
    for (std::int64_t segment = 0; segment < segments_; ++segment)
      loops<T>().add_scaled(T{1}, sums_[segment] + first, target, count);
  }

 private:
  std::int64_t segments_, size_;
  Scratch<T> sums_;
};

/// target row = what `RowLoops::dropout` makes of source row, of rows of one array of which the tile's first is `first_row`.
template <class T>
void dropout_rows(const DropoutMask& mask, std::int64_t first_row, std::int64_t count, std::int64_t width,
                  Rows<const T> source, Rows<T> target) {
  for (std::int64_t i = 0; i < count; ++i) loops<T>().dropout(mask, (first_row + i) * width, source[i], target[i], width);
}

}  // namespace cosformer::detail
