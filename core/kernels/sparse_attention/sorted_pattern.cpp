#include "core/kernels/sparse_attention/sorted_pattern.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/kernels/sparse_attention/list_tiles.h"

namespace cosformer {

namespace {

class SortedPattern : public SparsePattern {
 public:
  explicit SortedPattern(SortedBlocks blocks) : own_(std::move(blocks)) {}

  void for_each_tile(const SparseItem& all, std::int64_t, const TileVisitor& visit) const override {
    const SparseItem item(own_.sizes, own_.visibility, all.item());
    // The first block that has a real key at each place of a block.
    std::vector<std::int64_t> first_block(static_cast<std::size_t>(own_.block_size),
                                          std::numeric_limits<std::int64_t>::max());
    for (const std::int32_t position : item.key_positions()) {
      std::int64_t& first = first_block[static_cast<std::size_t>(position % own_.block_size)];
      first = std::min(first, position / own_.block_size);
    }
    const std::int64_t blocks = (item.key_length() + own_.block_size - 1) / own_.block_size;
    SparseTile tile;
    for (std::int32_t begin = 0; begin < item.queries();) {
      const std::int64_t block = item.query_position(begin) / own_.block_size;
      const std::int32_t end = std::max(begin + 1, item.first_query_at((block + 1) * own_.block_size));
      detail::for_each_group({begin, end}, [&](ListRange queries) {
        tile.clear();
        detail::list_queries(queries, tile);
        // A query behind the last key has no block of its own.
        const std::int64_t sources = own_.earlier ? block : block < blocks ? blocks : 0;
        for (std::int64_t place = 0; place < own_.block_size; ++place) {
          if (first_block[static_cast<std::size_t>(place)] < sources) {
            tile.keys.push_back(static_cast<std::int32_t>(block * own_.block_size + place));
          }
        }
        list_own_block(item, block, tile);
        visit(tile);
      });
      begin = end;
    }
  }

  double pairs(std::int64_t queries, std::int64_t, bool causal) const override {
    return sorted_pairs(own_.block_size, queries, causal);
  }

 private:
  void list_own_block(const SparseItem& item, std::int64_t block, SparseTile& tile) const {
    const auto sorted = static_cast<std::int32_t>(tile.keys.size());
    const auto before = static_cast<std::int32_t>(own_.blocks * own_.block_size);
    const ListRange keys = item.keys_at(block * own_.block_size, (block + 1) * own_.block_size);
    for (std::int32_t j = keys.begin; j < keys.end; ++j) {
      tile.keys.push_back(before + item.keys()[static_cast<std::size_t>(j)]);
    }
    if (!item.causal()) return;
    for (const std::int32_t i : tile.queries) {
      const std::int32_t seen = std::clamp(item.keys_seen_by(i), keys.begin, keys.end) - keys.begin;
      tile.seen.push_back({{0, sorted}, {sorted, sorted + seen}});
    }
  }

  SortedBlocks own_;
};

}  // namespace

SharedSparsePattern make_sorted_pattern(SortedBlocks blocks) {
  check<InputError>(blocks.block_size >= 1, "[sparse attention] expected blocks of at least 1, found ", blocks.block_size);
  return std::make_shared<const SortedPattern>(std::move(blocks));
}

double sorted_pairs(std::int64_t block_size, std::int64_t queries, bool causal) {
  return static_cast<double>(queries) * static_cast<double>(block_size) * (causal ? 1.5 : 2.0);
}

}  // namespace cosformer
