#include "core/kernels/sparse_attention/lsh_pattern.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/kernels/sparse_attention/list_tiles.h"

namespace cosformer {

namespace {

/// Where the rows of one head stand in one round.
struct RoundPlaces {
  std::vector<std::vector<std::int32_t>> keys;     ///< of each bucket, elements of SparseItem::keys()
  std::vector<std::vector<std::int32_t>> queries;  ///< of each bucket, rows
  std::vector<std::int32_t> query_bucket, query_chunk;
  /// Chunks of all buckets, numbered so that a query sees the keys whose place is its own or the one before. Of keys by
  /// element of SparseItem::keys().
  std::vector<std::int32_t> query_place, key_place;
};

class LshPattern : public SparsePattern {
 public:
  explicit LshPattern(LshBuckets buckets) : buckets_(std::move(buckets)) {
    for (std::int64_t times = 0; times <= buckets_.lsh.rounds; ++times) {
      offset_of_.push_back(times <= 1 ? 0.0 : -std::log(static_cast<double>(times)));
    }
  }

  void for_each_tile(const SparseItem& item, std::int64_t h, const TileVisitor& visit) const override {
    std::vector<RoundPlaces> rounds;
    for (std::int64_t round = 0; round < buckets_.lsh.rounds; ++round) rounds.push_back(places_of(item, h, round));
    const std::vector<std::uint8_t> lone = lone_queries(item, rounds);
    SparseTile tile;
    TileCounts counts;
    for (const RoundPlaces& round : rounds) {
      for (std::size_t bucket = 0; bucket < round.keys.size(); ++bucket) {
        if (round.keys[bucket].empty()) continue;
        for_each_chunk(round, bucket, [&](std::span<const std::int32_t> queries, std::span<const std::int32_t> keys) {
          list_tile(item, rounds, lone, queries, keys, counts, tile);
          visit(tile);
        });
      }
    }
  }

  double pairs(std::int64_t queries, std::int64_t keys, bool causal) const override {
    return lsh_pairs(buckets_.lsh, buckets_.chunk, queries, keys, causal);
  }

 private:
  /// What list_tile counts in.
  struct TileCounts {
    std::vector<std::int32_t> key_places;  ///< [rounds, keys of the tile]
    std::vector<std::int32_t> times;       ///< rounds in which a query sees a key of the tile
  };

  RoundPlaces places_of(const SparseItem& item, std::int64_t h, std::int64_t round) const {
    const std::int64_t head = (item.item() * buckets_.heads + h) * buckets_.lsh.rounds + round;
    const std::int32_t* of_queries = buckets_.of_queries->data() + head * buckets_.queries;
    const std::int32_t* of_keys = buckets_.of_keys->data() + head * buckets_.keys;
    const auto all = static_cast<std::size_t>(buckets_.lsh.buckets());
    RoundPlaces places;
    places.keys.resize(all);
    places.queries.resize(all);
    std::vector<std::int32_t> key_bucket, key_chunk;
    std::size_t next = 0;
    const auto add_key = [&] {
      const std::int32_t bucket = of_keys[item.keys()[next]];
      std::vector<std::int32_t>& own = places.keys[static_cast<std::size_t>(bucket)];
      key_bucket.push_back(bucket);
      key_chunk.push_back(static_cast<std::int32_t>(static_cast<std::int64_t>(own.size()) / buckets_.chunk));
      own.push_back(static_cast<std::int32_t>(next++));
    };
    // A query's place is behind the keys of its bucket that stand before it in the text.
    for (std::int32_t i = 0; i < item.queries(); ++i) {
      while (next < item.keys().size() && item.key_positions()[next] < item.query_position(i)) add_key();
      const auto bucket = static_cast<std::size_t>(of_queries[i]);
      places.query_bucket.push_back(of_queries[i]);
      places.query_chunk.push_back(
          static_cast<std::int32_t>(static_cast<std::int64_t>(places.keys[bucket].size()) / buckets_.chunk));
      places.queries[bucket].push_back(i);
    }
    while (next < item.keys().size()) add_key();

    // A query's chunk is at most the one behind the last key; between two buckets one more number is free.
    std::vector<std::int32_t> first_place(all);
    for (std::size_t bucket = 1; bucket < all; ++bucket) {
      const auto chunks = static_cast<std::int64_t>(places.keys[bucket - 1].size()) / buckets_.chunk + 1;
      first_place[bucket] = first_place[bucket - 1] + static_cast<std::int32_t>(chunks) + 1;
    }
    const auto place_of = [&](std::int32_t bucket, std::int32_t chunk) {
      return first_place[static_cast<std::size_t>(bucket)] + chunk;
    };
    places.query_place.resize(places.query_bucket.size());
    std::ranges::transform(places.query_bucket, places.query_chunk, places.query_place.begin(), place_of);
    places.key_place.resize(key_bucket.size());
    std::ranges::transform(key_bucket, key_chunk, places.key_place.begin(), place_of);
    return places;
  }

  /// The keys of a bucket that stand in a chunk or in the one before.
  std::span<const std::int32_t> keys_near(const RoundPlaces& round, std::size_t bucket, std::int64_t chunk) const {
    const std::vector<std::int32_t>& keys = round.keys[bucket];
    const auto count = static_cast<std::int64_t>(keys.size());
    const std::int64_t from = std::clamp<std::int64_t>((chunk - 1) * buckets_.chunk, 0, count);
    const std::int64_t to = std::clamp<std::int64_t>((chunk + 1) * buckets_.chunk, from, count);
    return std::span(keys).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
  }

  /// 1 for queries that see no key but the one at their own position.
  std::vector<std::uint8_t> lone_queries(const SparseItem& item, const std::vector<RoundPlaces>& rounds) const {
    std::vector<std::uint8_t> lone(static_cast<std::size_t>(item.queries()));
    for (std::int32_t i = 0; i < item.queries(); ++i) {
      const std::int32_t seen = item.keys_seen_by(i);
      lone[static_cast<std::size_t>(i)] = std::ranges::none_of(rounds, [&](const RoundPlaces& round) {
        const auto query = static_cast<std::size_t>(i);
        // The first two say it: only one key can stand at the query's position.
        const auto near = keys_near(round, static_cast<std::size_t>(round.query_bucket[query]), round.query_chunk[query]);
        return std::ranges::any_of(near.first(std::min<std::size_t>(2, near.size())), [&](std::int32_t key) {
          return key < seen && item.key_positions()[static_cast<std::size_t>(key)] != item.query_position(i);
        });
      });
    }
    return lone;
  }

  /// Calls `visit` with the queries of each chunk of a bucket, and the keys of that chunk and of the one before.
  template <class Visit>
  void for_each_chunk(const RoundPlaces& round, std::size_t bucket, Visit&& visit) const {
    const std::span<const std::int32_t> queries(round.queries[bucket]);
    for (std::size_t begin = 0; begin < queries.size();) {
      const std::int32_t chunk = round.query_chunk[static_cast<std::size_t>(queries[begin])];
      std::size_t end = begin;
      while (end < queries.size() && end < begin + static_cast<std::size_t>(kSparseTileQueries) &&
             round.query_chunk[static_cast<std::size_t>(queries[end])] == chunk) {
        ++end;
      }
      const std::span<const std::int32_t> keys = keys_near(round, bucket, chunk);
      if (!keys.empty()) visit(queries.subspan(begin, end - begin), keys);
      begin = end;
    }
  }

  void list_tile(const SparseItem& item, const std::vector<RoundPlaces>& rounds, const std::vector<std::uint8_t>& lone,
                 std::span<const std::int32_t> queries, std::span<const std::int32_t> keys, TileCounts& counts,
                 SparseTile& tile) const {
    tile.clear();
    tile.queries.assign(queries.begin(), queries.end());
    for (const std::int32_t key : keys) tile.keys.push_back(item.keys()[static_cast<std::size_t>(key)]);
    if (item.causal()) detail::hide_later_keys(tile);
    counts.key_places.clear();
    for (const RoundPlaces& round : rounds) {
      for (const std::int32_t key : keys) counts.key_places.push_back(round.key_place[static_cast<std::size_t>(key)]);
    }
    const auto position_of = [&](std::int32_t key) { return item.key_positions()[static_cast<std::size_t>(key)]; };
    for (const std::int32_t query : queries) {
      counts.times.assign(keys.size(), 0);
      const std::int32_t* places = counts.key_places.data();
      for (const RoundPlaces& round : rounds) {
        const std::int32_t own = round.query_place[static_cast<std::size_t>(query)];
        for (std::size_t j = 0; j < keys.size(); ++j) {
          const std::int32_t distance = own - places[j];
          counts.times[j] += static_cast<std::int32_t>(distance == 0) + static_cast<std::int32_t>(distance == 1);
        }
        places += keys.size();
      }
      const std::size_t row = tile.offsets.size();
      tile.offsets.resize(row + keys.size());
      std::ranges::transform(counts.times, tile.offsets.begin() + static_cast<std::ptrdiff_t>(row),
                             [&](std::int32_t times) { return offset_of_[static_cast<std::size_t>(times)]; });
      if (lone[static_cast<std::size_t>(query)] != 0) continue;
      // Keys of a bucket stand in the order of the text.
      const auto at = std::ranges::lower_bound(keys, item.query_position(query), {}, position_of);
      if (at != keys.end() && position_of(*at) == item.query_position(query)) {
        tile.offsets[row + static_cast<std::size_t>(at - keys.begin())] = -std::numeric_limits<double>::infinity();
      }
    }
  }

  LshBuckets buckets_;
  std::vector<double> offset_of_;  ///< what lowers a score, by the number of rounds that have it
};

}  // namespace

SharedSparsePattern make_lsh_pattern(LshBuckets buckets) {
  check<InputError>(buckets.chunk >= 1, "[sparse attention] expected chunks of at least 1, found ", buckets.chunk);
  return std::make_shared<const LshPattern>(std::move(buckets));
}

double lsh_pairs(const LshSizes& lsh, std::int64_t chunk, std::int64_t queries, std::int64_t keys, bool causal) {
  const double in_bucket = static_cast<double>(keys) / static_cast<double>(lsh.buckets()), size = static_cast<double>(chunk);
  const double seen = causal ? std::min(0.5 * in_bucket, size) : std::min(in_bucket, 1.5 * size);
  return static_cast<double>(lsh.rounds * queries) * std::max(1.0, seen);
}

}  // namespace cosformer
