#pragma once
/// \file
/// What patterns write their tiles with. Internal to this folder.

#include <algorithm>
#include <cstdint>

#include "core/kernels/sparse_attention/sparse_pattern.h"

namespace cosformer::detail {

/// Calls `visit(begin, end)` for the queries of `range` in groups as large as a tile takes.
template <class Visit>
void for_each_group(ListRange range, Visit&& visit) {
  for (std::int32_t begin = range.begin; begin < range.end; begin += kSparseTileQueries) {
    visit(ListRange{begin, std::min(range.end, begin + kSparseTileQueries)});
  }
}

/// Makes the queries of a tile those of a range.
inline void list_queries(ListRange range, SparseTile& tile) {
  for (std::int32_t i = range.begin; i < range.end; ++i) tile.queries.push_back(i);
}

/// Adds the real keys of a range of `item.keys()` to a tile.
inline void list_keys(const SparseItem& item, ListRange range, SparseTile& tile) {
  tile.keys.insert(tile.keys.end(), item.keys().begin() + range.begin, item.keys().begin() + range.end);
}

/// Where elements of `item.keys()` lie in a tile's list.
struct ListedRange {
  ListRange range;         ///< of `item.keys()`
  std::int32_t place = 0;  ///< of the first one in the tile's list

  /// The listed ones among `wanted`.
  ListRange within(ListRange wanted) const {
    const std::int32_t first = std::clamp(wanted.begin, range.begin, range.end);
    const std::int32_t last = std::max(first, std::clamp(wanted.end, range.begin, range.end));
    return {first - range.begin + place, last - range.begin + place};
  }
};
inline ListedRange list_keys_at(const SparseItem& item, ListRange range, SparseTile& tile) {
  const ListedRange listed{range, static_cast<std::int32_t>(tile.keys.size())};
  list_keys(item, range, tile);
  return listed;
}

/// Lets each query of a tile see the keys of its list, which rise, up to its own row.
inline void hide_later_keys(SparseTile& tile) {
  for (const std::int32_t i : tile.queries) {
    const auto seen = static_cast<std::int32_t>(std::ranges::upper_bound(tile.keys, i) - tile.keys.begin());
    tile.seen.push_back({{0, seen}, {}});
  }
}

/// All real keys for a group of queries, or those before by causality.
inline void list_all_keys(const SparseItem& item, ListRange queries, SparseTile& tile) {
  tile.clear();
  list_queries(queries, tile);
  list_keys(item, {0, item.keys_seen_by(queries.end - 1)}, tile);
  if (item.causal()) hide_later_keys(tile);
}

}  // namespace cosformer::detail
