#pragma once
/// \file
/// How linear attention that is not causal is cut: groups of heads, segments of the length, tiles of rows. Internal to
/// linear.cpp.

#include <algorithm>
#include <cstdint>
#include <span>

#include "core/kernels/linear_attention/head.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// Rows that are in scratch at once.
inline constexpr std::int64_t kTile = 128;

/// If there are fewer groups of heads than this, each length is cut into segments, so that every core has work.
inline constexpr std::int64_t kFewGroups = 16;
inline constexpr std::int64_t kLeastSegment = 512;

/// Heads of one item that go over their tiles side by side: their rows lie next to each other in memory.
inline constexpr std::int64_t kGroup = 4;

/// The cut of one length: pieces of groups × segments, numbered segment by segment within a group.
struct Segments {
  Segments(std::int64_t groups, std::int64_t length) {
    const std::int64_t wanted = groups >= kFewGroups ? 1 : (kFewGroups + groups - 1) / groups;
    const std::int64_t most = std::max<std::int64_t>(1, length / kLeastSegment);
    const std::int64_t rows = (length + std::min(wanted, most) - 1) / std::min(wanted, most);
    size = std::max(kTile, (rows + kTile - 1) / kTile * kTile);
    count = std::max<std::int64_t>(1, (length + size - 1) / size);
  }
  std::int64_t size = 0;
  std::int64_t count = 0;
};

/// One matrix for each piece of heads × segments, summed over the segments in their order.
template <class T>
class PartialSums {
 public:
  PartialSums(std::int64_t heads, std::int64_t segments, std::int64_t rows, std::int64_t columns)
      : all_(heads * segments * rows, columns), segments_(segments), rows_(rows), columns_(columns) {}

  MatrixView<T> piece(std::int64_t head, std::int64_t segment) const {
    return all_.from((head * segments_ + segment) * rows_);
  }
  /// Leaves the sum of all pieces of a head in its first piece.
  void sum(std::int64_t head) const {
    const MatrixView<T> first = piece(head, 0);
    for (std::int64_t segment = 1; segment < segments_; ++segment) {
      const MatrixView<T> other = piece(head, segment);
      for (std::int64_t row = 0; row < rows_; ++row) loops<T>().add_scaled(T{1}, other[row], first[row], columns_);
    }
  }

 private:
  ScratchMatrix<T> all_;
  std::int64_t segments_, rows_, columns_;
};

/// Rows [begin, begin + count) of one head; h counts the heads of all items.
template <class T>
struct HeadTile {
  std::int64_t h;
  const LinearHead<T>& head;
  std::int64_t begin, count;
};

/// Neighbouring heads of one item.
template <class T>
class Group {
 public:
  Group(std::span<const LinearHead<T>> all, std::int64_t first, std::int64_t size) : all_(all), first_(first), size_(size) {}

  std::int64_t first() const { return first_; }
  std::int64_t size() const { return size_; }
  /// Any head: sizes are those of all.
  const LinearHead<T>& shape() const { return all_.front(); }
  /// Calls `visit(h, head)`; h counts the heads of all items.
  template <class Visit>
  void for_each_head(Visit&& visit) const {
    for (std::int64_t h = first_; h < first_ + size_; ++h) visit(h, all_[static_cast<std::size_t>(h)]);
  }
  /// Calls `visit(tile, upcoming)` for the tiles of a segment, tile by tile of all heads; before that `expect(tile,
  /// upcoming)` with the tile that comes after it, to name the rows that products are to fetch.
  template <class Expect, class Visit>
  void for_each_tile(const Segments& segments, std::int64_t segment, std::int64_t length, Expect&& expect,
                     Visit&& visit) const {
    const std::int64_t end = std::min((segment + 1) * segments.size, length);
    const auto tile_at = [&](std::int64_t h, std::int64_t begin) {
      return HeadTile<T>{h, all_[static_cast<std::size_t>(h)], begin, std::min(kTile, end - begin)};
    };
    for (std::int64_t begin = segment * segments.size; begin < end; begin += kTile) {
      for (std::int64_t h = first_; h < first_ + size_; ++h) {
        simd::UpcomingRows upcoming;
        if (h + 1 < first_ + size_) {
          expect(tile_at(h + 1, begin), upcoming);
        } else if (begin + kTile < end) {
          expect(tile_at(first_, begin + kTile), upcoming);
        }
        visit(tile_at(h, begin), upcoming);
      }
    }
  }

 private:
  std::span<const LinearHead<T>> all_;
  std::int64_t first_, size_;
};

/// All heads in groups.
template <class T>
class Groups {
 public:
  Groups(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item)
      : heads_(heads), heads_per_item_(heads_per_item), per_item_((heads_per_item + kGroup - 1) / kGroup) {}

  std::int64_t count() const { return std::ssize(heads_) / heads_per_item_ * per_item_; }
  /// Calls `body(group, segment)` for every piece, in parallel.
  template <class Body>
  void for_each_piece(const Segments& segments, Body&& body) const {
    parallel_for(count() * segments.count, [&](std::int64_t piece) {
      const std::int64_t group = piece / segments.count, item = group / per_item_, first = group % per_item_ * kGroup;
      body(Group<T>(heads_, item * heads_per_item_ + first, std::min(kGroup, heads_per_item_ - first)),
           piece % segments.count);
    });
  }

 private:
  std::span<const LinearHead<T>> heads_;
  std::int64_t heads_per_item_, per_item_;
};

}  // namespace cosformer::detail
