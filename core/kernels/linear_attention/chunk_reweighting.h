#pragma once
/// \file
/// How a re-weighting acts within chunks and between them. Internal to chunked.cpp.

#include <cstdint>
#include <span>
#include <vector>

#include "core/kernels/linear_attention/head.h"

namespace cosformer::detail {

/// The re-weighting within chunks and between them, for heads that are worked on side by side.
///
/// Within a chunk r(i - j) are the weights of a tile's diagonals: `lower(h)[j - i]` is 0 for j > i, `upper(h)` 0 for j < i.
/// A sum that is carried stands at its chunk's first position: query p of the chunk reads it with r(p), key p enters the
/// next chunk's with r(C - p), and from chunk to chunk it is multiplied by r(C).
template <class T>
class ChunkReweighting {
 public:
  ChunkReweighting(std::span<const LinearHead<T>> heads, std::int64_t chunk)
      : heads_(heads), chunk_(chunk), table_(3 * count_distinct(heads), 2 * chunk) {
    table_.fill_zero();
    std::int64_t row = -3;
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const T* weights = heads[h].weights;
      if (h > 0 && weights == heads[h - 1].weights) {
        row_of_head_.push_back(row);
        continue;
      }
      row_of_head_.push_back(row += 3);
      const auto weight = [&](std::int64_t distance) { return weights == nullptr ? T{1} : weights[distance]; };
      for (std::int64_t distance = 0; distance < chunk; ++distance) {
        table_[row][chunk - 1 - distance] = table_[row + 1][chunk - 1 + distance] = weight(distance);
        if (heads[h].carried) table_[row + 2][chunk - 1 - distance] = weight(distance + 1);
      }
    }
  }

  const T* lower(std::int64_t h) const { return table_[row(h)] + chunk_ - 1; }
  const T* upper(std::int64_t h) const { return table_[row(h) + 1] + chunk_ - 1; }
  /// What rotates the rows of queries, and of keys, from position `begin` on, a chunk's first.
  Factors<T> queries(std::int64_t h, std::int64_t begin) const {
    return head(h).carried ? Factors<T>{{head(h).weights}, 1} : head(h).query_factors.from(begin);
  }
  Factors<T> keys(std::int64_t h, std::int64_t begin) const {
    return head(h).carried ? Factors<T>{{table_[row(h) + 2]}, 1} : head(h).key_factors.from(begin);
  }
  /// Moves a head's sum on by one chunk.
  void carry(std::int64_t h, std::int64_t rows, std::int64_t width, MatrixView<T> sum) const {
    if (head(h).carried) carry_rows(head(h).weights[chunk_], rows, width, sum);
  }

 private:
  static std::int64_t count_distinct(std::span<const LinearHead<T>> heads) {
    std::int64_t count = 1;
    for (std::size_t h = 1; h < heads.size(); ++h) count += heads[h].weights != heads[h - 1].weights;
    return count;
  }
  const LinearHead<T>& head(std::int64_t h) const { return heads_[static_cast<std::size_t>(h)]; }
  std::int64_t row(std::int64_t h) const { return row_of_head_[static_cast<std::size_t>(h)]; }

  std::span<const LinearHead<T>> heads_;
  std::int64_t chunk_;
  ScratchMatrix<T> table_;
  std::vector<std::int64_t> row_of_head_;
};

}  // namespace cosformer::detail
