// The strided and the fixed pattern of sparse transformers.
#include <algorithm>

#include "core/error.h"
#include "core/kernels/sparse_attention/list_tiles.h"
#include "core/kernels/sparse_attention/patterns.h"

namespace cosformer {

namespace {

/// The keys within l positions, and those whose distance is a multiple of l.
class StridedPattern : public SparsePattern {
 public:
  explicit StridedPattern(std::int64_t stride) : stride_(stride) {}

  void for_each_tile(const SparseItem& item, std::int64_t, const TileVisitor& visit) const override {
    SparseTile tile;
    detail::for_each_group({0, item.queries()}, [&](ListRange queries) {
      tile.clear();
      detail::list_queries(queries, tile);
      const ListRange first = window_of(item, queries.begin), last = window_of(item, queries.end - 1);
      const detail::ListedRange listed = detail::list_keys_at(item, {first.begin, std::max(first.begin, last.end)}, tile);
      for (const std::int32_t i : tile.queries) tile.seen.push_back({listed.within(window_of(item, i)), {}});
      visit(tile);
    });
    for_each_column(item, tile, visit);
  }

  double pairs(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys), l = static_cast<double>(stride_);
    const double part = causal ? 0.5 : 1.0;
    return std::min(part * rows * columns, rows * ((causal ? l + 1 : 2 * l + 1) + part * columns / l));
  }

 private:
  ListRange window_of(const SparseItem& item, std::int32_t query) const {
    const std::int64_t position = item.query_position(query);
    ListRange keys = item.keys_at(position - stride_, position + stride_ + 1);
    keys.end = std::max(keys.begin, std::min(keys.end, item.keys_seen_by(query)));
    return keys;
  }

  /// The tiles of queries and keys at the same place of their strides, without what the window has.
  void for_each_column(const SparseItem& item, SparseTile& tile, const TileVisitor& visit) const {
    const auto place = [&](std::int32_t position) { return static_cast<std::size_t>(position % stride_); };
    const auto columns = static_cast<std::size_t>(
        std::min<std::int64_t>(stride_, item.queries() == 0 ? 0 : item.query_position(item.queries() - 1) + 1));
    std::vector<std::vector<std::int32_t>> queries(columns), keys(columns);
    for (std::int32_t i = 0; i < item.queries(); ++i) queries[place(item.query_position(i))].push_back(i);
    for (std::size_t j = 0; j < item.keys().size(); ++j) {
      const std::size_t column = place(item.key_positions()[j]);
      if (column < columns) keys[column].push_back(static_cast<std::int32_t>(j));
    }
    for (std::size_t column = 0; column < columns; ++column) {
      const auto count = static_cast<std::int32_t>(queries[column].size());
      detail::for_each_group({0, count}, [&](ListRange group) {
        tile.clear();
        tile.queries.assign(queries[column].begin() + group.begin, queries[column].begin() + group.end);
        if (list_column(item, keys[column], tile)) visit(tile);
      });
    }
  }

  /// Whether a query of the tile sees one of the keys (elements of `item.keys()`).
  bool list_column(const SparseItem& item, const std::vector<std::int32_t>& keys, SparseTile& tile) const {
    const auto count_below = [&](std::int64_t position) {
      return static_cast<std::int32_t>(
          std::ranges::lower_bound(
              keys, position, {},
              [&](std::int32_t j) { return static_cast<std::int64_t>(item.key_positions()[static_cast<std::size_t>(j)]); }) -
          keys.begin());
    };
    const auto all = static_cast<std::int32_t>(keys.size());
    bool any = false;
    std::int32_t listed = 0;
    for (const std::int32_t i : tile.queries) {
      const std::int64_t position = item.query_position(i);
      const std::int32_t before = count_below(position - stride_), behind = count_below(position + stride_ + 1);
      const SeenKeys seen{{0, before}, {behind, item.causal() ? behind : all}};
      any = any || before > 0 || seen.second.end > behind;
      listed = std::max({listed, before, seen.second.end});
      tile.seen.push_back(seen);
    }
    for (std::int32_t j = 0; j < listed; ++j) {
      tile.keys.push_back(item.keys()[static_cast<std::size_t>(keys[static_cast<std::size_t>(j)])]);
    }
    return any;
  }

  std::int64_t stride_;
};

/// The own block of l positions, and c keys of every other block.
class FixedPattern : public SparsePattern {
 public:
  explicit FixedPattern(const FactorizedPatternOptions& options) : stride_(options.stride), summary_(options.summary) {}

  void for_each_tile(const SparseItem& item, std::int64_t h, const TileVisitor& visit) const override {
    SparseTile tile;
    const std::int64_t key_blocks = (item.key_length() + stride_ - 1) / stride_;
    const std::int64_t last = stride_ - h % (stride_ / summary_) * summary_;
    for (std::int32_t begin = 0; begin < item.queries();) {
      const std::int64_t own = item.query_position(begin) / stride_;
      const std::int32_t end = std::max(begin + 1, item.first_query_at((own + 1) * stride_));
      detail::for_each_group({begin, end}, [&](ListRange queries) {
        tile.clear();
        detail::list_queries(queries, tile);
        for (std::int64_t block = 0; block < (item.causal() ? own + 1 : key_blocks); ++block) {
          const std::int64_t from = block * stride_;
          const bool whole = block == own;
          detail::list_keys(item, item.keys_at(whole ? from : from + last - summary_, from + (whole ? stride_ : last)),
                            tile);
        }
        if (item.causal()) detail::hide_later_keys(tile);
        visit(tile);
      });
      begin = end;
    }
  }

  double pairs(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys), l = static_cast<double>(stride_);
    return (causal ? 0.5 : 1.0) * rows * std::min(columns, l + columns / l * static_cast<double>(summary_));
  }

 private:
  std::int64_t stride_, summary_;
};

constexpr FactorizedPatternKind kPatterns[] = {{"fixed", false}, {"strided", true}};

}  // namespace

std::span<const FactorizedPatternKind> sparse_patterns() { return kPatterns; }

SharedSparsePattern make_factorized_pattern(const FactorizedPatternOptions& options) {
  check<InputError>(options.stride >= 1, "[sparse attention] expected a stride of at least 1, found ", options.stride);
  if (options.strided) return std::make_shared<const StridedPattern>(options.stride);
  check<InputError>(options.summary >= 1 && options.summary <= options.stride, "[sparse attention] expected 1 to ",
                    options.stride, " keys of a block, found ", options.summary);
  return std::make_shared<const FixedPattern>(options);
}

}  // namespace cosformer
