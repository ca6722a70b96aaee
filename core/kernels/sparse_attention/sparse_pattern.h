#pragma once
/// \file
/// Which keys the queries of one head look at, if these are few: lists of queries and of the keys that they share.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// Elements [begin, end) of a list.
struct ListRange {
  std::int32_t begin = 0;
  std::int32_t end = 0;
};

/// The keys of a tile's list that one of its queries sees: those of two ranges, which do not overlap; the first comes first.
struct SeenKeys {
  ListRange first, second;
};

/// Some queries of one head with a list of keys. A key stands in it once.
struct SparseTile {
  std::vector<std::int32_t> queries;  ///< rows of the queries, each once
  std::vector<std::int32_t> keys;     ///< rows of the keys
  std::vector<SeenKeys> seen;         ///< of each query; empty: all see all keys
  std::vector<double> offsets;        ///< [queries, keys], what is added to the scaled scores; empty: nothing

  void clear() {
    queries.clear();
    keys.clear();
    seen.clear();
    offsets.clear();
  }
};
using TileVisitor = std::function<void(const SparseTile&)>;

/// One item of a batch as patterns see it: where its queries and its real keys stand in their texts. A pattern goes by these
/// positions alone, so that padding changes nothing, between real tokens or behind them.
class SparseItem {
 public:
  SparseItem(const AttentionSizes& sizes, const AttentionVisibility& visibility, std::int64_t b);

  std::int64_t item() const { return item_; }
  bool causal() const { return causal_; }
  /// Queries, in the order of their positions.
  std::int32_t queries() const { return queries_; }
  std::int32_t query_position(std::int32_t i) const { return query_positions_ == nullptr ? i : query_positions_[i]; }
  /// Rows of the real keys, in the order of their positions.
  const std::vector<std::int32_t>& keys() const { return keys_; }
  /// Where the real keys stand.
  const std::vector<std::int32_t>& key_positions() const { return key_positions_; }
  /// Positions up to and including that of the last real key.
  std::int32_t key_length() const { return key_positions_.empty() ? 0 : key_positions_.back() + 1; }

  /// The real keys, as elements of `keys()`, that stand at positions in [first, last).
  ListRange keys_at(std::int64_t first, std::int64_t last) const;
  /// How many of the real keys a query sees by causality: the first so many of `keys()`.
  std::int32_t keys_seen_by(std::int32_t query) const;
  /// The first query whose position is at least `position`.
  std::int32_t first_query_at(std::int64_t position) const;

 private:
  std::int64_t item_;
  bool causal_;
  std::int32_t queries_;
  const std::int32_t* query_positions_;
  std::vector<std::int32_t> keys_, key_positions_;
};

/// A rule that says which keys each query looks at. Immutable: one object serves several threads.
class SparsePattern {
 public:
  virtual ~SparsePattern() = default;

  /// Calls `visit` for the tiles of head h of an item, always in the same order. A query's weights are a softmax over all
  /// keys that it sees in any of its tiles.
  virtual void for_each_tile(const SparseItem& item, std::int64_t h, const TileVisitor& visit) const = 0;

  /// Pairs of a query and a key that one head looks at in a text without padding: what attention costs.
  virtual double pairs(std::int64_t queries, std::int64_t keys, bool causal) const = 0;

 protected:
  SparsePattern() = default;
  SparsePattern(const SparsePattern&) = default;
  SparsePattern& operator=(const SparsePattern&) = default;
};
using SharedSparsePattern = std::shared_ptr<const SparsePattern>;

/// Queries of one tile, for patterns whose tiles may have any number.
inline constexpr std::int32_t kSparseTileQueries = 64;

}  // namespace cosformer
