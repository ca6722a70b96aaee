#pragma once
/// \file
/// Sums over many rows, with the same bits on any number of threads.

#include <algorithm>
#include <cstdint>
#include <memory>

#include "core/memory.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

/// The result of `sum_over_rows`, and the memory that holds it.
template <class T>
struct RowSums {
  std::shared_ptr<std::byte> memory;
  const T* data() const { return reinterpret_cast<const T*>(memory.get()); }
};

/// Calls `add_rows(begin, end, sums)` for blocks of rows, in parallel; each adds its rows' contribution to `width` sums of
/// its own (zero at first). Blocks and the tree that adds them up depend on the shape alone.
template <class T, class AddRows>
RowSums<T> sum_over_rows(std::int64_t rows, std::int64_t width, AddRows&& add_rows) {
  // At most 32 blocks, so that adding them up costs little, of enough elements to be worth a piece.
  constexpr std::int64_t kMostBlocks = 32;
  const std::int64_t least = kElementwiseGrain / std::max<std::int64_t>(width, 1) + 1;
  const std::int64_t block_rows = std::max((rows + kMostBlocks - 1) / kMostBlocks, least);
  const std::int64_t blocks = std::max<std::int64_t>((rows + block_rows - 1) / block_rows, 1);
  RowSums<T> sums{allocate_block(static_cast<std::size_t>(blocks * width) * sizeof(T))};
  T* partial = reinterpret_cast<T*>(sums.memory.get());
  parallel_ranges(std::max<std::int64_t>(rows, 1), block_rows, [&](std::int64_t begin, std::int64_t end) {
    T* own = partial + begin / block_rows * width;
    std::fill_n(own, width, T{0});
    add_rows(begin, std::min(end, rows), own);
  });
  constexpr std::int64_t kColumns = 512;
  parallel_ranges(width, kColumns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t step = 1; step < blocks; step *= 2) {
      for (std::int64_t b = 0; b + step < blocks; b += 2 * step) {
        loops<T>().add_scaled(T{1}, partial + (b + step) * width + begin, partial + b * width + begin, end - begin);
      }
    }
  });
  return sums;
}

}  // namespace cosformer
