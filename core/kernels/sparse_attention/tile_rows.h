#pragma once
/// \file
/// The rows that a tile of a sparse pattern lists, brought together and taken back. Internal to this folder.

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "core/kernels/scratch_matrix.h"
#include "core/kernels/sparse_attention/sparse_pattern.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// Keys whose scores are held at once.
inline constexpr std::int64_t kSparseTileKeys = 256;

/// Whether the rows follow one another, so that they need not be brought together.
inline bool are_consecutive(std::span<const std::int32_t> rows) {
  return std::ranges::adjacent_find(rows, [](std::int32_t a, std::int32_t b) { return b != a + 1; }) == rows.end();
}

/// target row i = source row rows[i].
template <class T>
void gather_rows(std::span<const std::int32_t> rows, std::int64_t width, MatrixView<const T> source, MatrixView<T> target) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(target[static_cast<std::int64_t>(i)], source[rows[i]], static_cast<std::size_t>(width) * sizeof(T));
  }
}

/// target row rows[i] = source row i.
template <class T>
void scatter_rows(std::span<const std::int32_t> rows, std::int64_t width, MatrixView<const T> source, MatrixView<T> target) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(target[rows[i]], source[static_cast<std::int64_t>(i)], static_cast<std::size_t>(width) * sizeof(T));
  }
}

/// target row rows[i] += source row i.
template <class T>
void scatter_add_rows(std::span<const std::int32_t> rows, std::int64_t width, MatrixView<const T> source,
                      MatrixView<T> target) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    loops<T>().add_scaled(T{1}, source[static_cast<std::int64_t>(i)], target[rows[i]], width);
  }
}

/// Rows to read: those of `source` themselves if they follow one another, else copies in `room`.
template <class T>
MatrixView<const T> rows_to_read(std::span<const std::int32_t> rows, std::int64_t width, MatrixView<const T> source,
                                 MatrixView<T> room) {
  if (rows.empty()) return source;
  if (are_consecutive(rows)) return source.from(rows.front());
  gather_rows<T>(rows, width, source, room);
  return room;
}

/// The part of a tile that is worked on at once: all its queries, and keys [begin, end) of its list.
struct TilePart {
  const SparseTile& tile;
  std::int32_t begin, end;

  std::int64_t width() const { return end - begin; }
  std::span<const std::int32_t> keys() const {
    return std::span(tile.keys).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  }
  /// A range of the tile's keys as columns of this part.
  ListRange columns(ListRange range) const {
    const std::int32_t first = std::clamp(range.begin, begin, end) - begin;
    return {first, std::max(first, std::clamp(range.end, begin, end) - begin)};
  }
};

/// The columns of a row of scores that count lie in the range that this returns; those within it that do not count become
/// -infinity. `row` is that of query i with the offsets added.
template <class T>
ListRange mark_seen(const TilePart& part, std::int64_t i, T* row) {
  const auto width = static_cast<std::int32_t>(part.width());
  if (!part.tile.offsets.empty()) {
    const double* offsets = part.tile.offsets.data() + i * static_cast<std::int64_t>(part.tile.keys.size()) + part.begin;
    for (std::int32_t j = 0; j < width; ++j) row[j] += static_cast<T>(offsets[j]);
  }
  if (part.tile.seen.empty()) return {0, width};
  const SeenKeys& seen = part.tile.seen[static_cast<std::size_t>(i)];
  const ListRange first = part.columns(seen.first), second = part.columns(seen.second);
  if (first.begin == first.end) return second;
  if (second.begin == second.end) return first;
  std::fill(row + first.end, row + second.begin, -std::numeric_limits<T>::infinity());
  return {first.begin, second.end};
}

/// Drops weights of a row: `columns` of query `first_element` / S, whose key j is element first_element + j.
template <class T>
void drop_listed(const DropoutMask& dropout, std::int64_t first_element, std::span<const std::int32_t> keys,
                 ListRange columns, T* row) {
  for (std::int32_t j = columns.begin; j < columns.end;) {
    std::int32_t end = j + 1;
    while (end < columns.end && keys[static_cast<std::size_t>(end)] == keys[static_cast<std::size_t>(end - 1)] + 1) ++end;
    loops<T>().dropout(dropout, first_element + keys[static_cast<std::size_t>(j)], row + j, row + j, end - j);
    j = end;
  }
}

/// Sets the columns of a row outside a range to 0.
template <class T>
void clear_outside(ListRange columns, std::int64_t width, T* row) {
  std::fill(row, row + columns.begin, T{0});
  std::fill(row + columns.end, row + width, T{0});
}

/// Calls `visit` for the parts of a tile.
template <class Visit>
void for_each_part(const SparseTile& tile, Visit&& visit) {
  const auto keys = static_cast<std::int32_t>(tile.keys.size());
  if (tile.queries.empty()) return;
  for (std::int32_t begin = 0; begin < keys; begin += static_cast<std::int32_t>(kSparseTileKeys)) {
    visit(TilePart{tile, begin, std::min(keys, begin + static_cast<std::int32_t>(kSparseTileKeys))});
  }
}

}  // namespace cosformer::detail
