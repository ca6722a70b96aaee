// BigBird's pattern: blocks nearby, blocks that all see, and blocks at random.
#include <algorithm>

#include "core/error.h"
#include "core/kernels/sparse_attention/list_tiles.h"
#include "core/kernels/sparse_attention/patterns.h"

namespace cosformer {

namespace {

/// Blocks [begin, end).
struct Blocks {
  std::int64_t begin, end;
};

/// The window of a block that is not global, without the global blocks.
Blocks window_of(const BlockPatternOptions& options, std::int64_t block) {
  const std::int64_t side = options.window_blocks / 2;
  return {std::max(options.global_blocks, block - side), block + side + 1};
}

class BlockPattern : public SparsePattern {
 public:
  explicit BlockPattern(const BlockPatternOptions& options) : options_(options) {}

  void for_each_tile(const SparseItem& item, std::int64_t h, const TileVisitor& visit) const override {
    SparseTile tile;
    const std::int32_t first_local = item.first_query_at(options_.global_blocks * options_.block_size);
    detail::for_each_group({0, first_local}, [&](ListRange queries) {
      detail::list_all_keys(item, queries, tile);
      visit(tile);
    });
    const std::int64_t key_blocks = (item.key_length() + options_.block_size - 1) / options_.block_size;
    for (std::int32_t begin = first_local; begin < item.queries();) {
      const std::int64_t block = item.query_position(begin) / options_.block_size;
      const std::int32_t end = std::max(begin + 1, item.first_query_at((block + 1) * options_.block_size));
      const std::vector<std::int64_t> seen = seen_blocks(h, block, item.causal() ? block + 1 : key_blocks);
      detail::for_each_group({begin, end}, [&](ListRange queries) {
        list_blocks(item, seen, queries, tile);
        visit(tile);
      });
      begin = end;
    }
  }

  double pairs(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const std::int64_t size = options_.block_size, key_blocks = (keys + size - 1) / size, global = options_.global_blocks;
    double sum = 0;
    for (std::int64_t block = 0; block * size < queries; ++block) {
      const auto rows = static_cast<double>(std::min(size, queries - block * size));
      const std::int64_t blocks = causal ? std::min(block + 1, key_blocks) : key_blocks;
      std::int64_t seen = blocks;
      if (block >= global) {
        const Blocks window = window_of(options_, block);
        const std::int64_t fixed =
            std::min(global, blocks) + std::max<std::int64_t>(0, std::min(window.end, blocks) - window.begin);
        seen = std::min(blocks, fixed + options_.random_blocks);
      }
      const double own = causal ? 0.5 * static_cast<double>(size) : 0.0;
      sum += rows * std::min(static_cast<double>(keys), static_cast<double>(seen * size) - own);
    }
    return sum;
  }

 private:
  /// Blocks that the queries of a block look at, rising, of the first `blocks`.
  std::vector<std::int64_t> seen_blocks(std::int64_t h, std::int64_t block, std::int64_t blocks) const {
    std::vector<std::int64_t> seen = random_blocks(options_, h, block, blocks);
    for (std::int64_t global = 0; global < std::min(options_.global_blocks, blocks); ++global) seen.push_back(global);
    const Blocks window = window_of(options_, block);
    for (std::int64_t near = window.begin; near < std::min(window.end, blocks); ++near) seen.push_back(near);
    std::ranges::sort(seen);
    return seen;
  }

  void list_blocks(const SparseItem& item, const std::vector<std::int64_t>& blocks, ListRange queries,
                   SparseTile& tile) const {
    tile.clear();
    detail::list_queries(queries, tile);
    for (const std::int64_t block : blocks) {
      detail::list_keys(item, item.keys_at(block * options_.block_size, (block + 1) * options_.block_size), tile);
    }
    if (item.causal()) detail::hide_later_keys(tile);
  }

  BlockPatternOptions options_;
};

}  // namespace

std::vector<std::int64_t> random_blocks(const BlockPatternOptions& options, std::int64_t h, std::int64_t query_block,
                                        std::int64_t blocks) {
  // To choose from: the blocks between the global ones and the window, and those behind the window.
  const Blocks window = window_of(options, query_block);
  const std::int64_t before = std::max<std::int64_t>(0, std::min(window.begin, blocks) - options.global_blocks);
  const std::int64_t choices = before + std::max<std::int64_t>(0, blocks - window.end);
  const std::int64_t count = std::min(options.random_blocks, choices);
  std::vector<std::int64_t> chosen;
  // R. Floyd's draw without repetition.
  for (std::int64_t last = choices - count; last < choices; ++last) {
    const auto drawn = static_cast<std::int64_t>(
        options.random.below(static_cast<std::uint64_t>(last + 1),
                             (static_cast<std::uint64_t>(h) << 32U) | static_cast<std::uint64_t>(query_block),
                             static_cast<std::uint64_t>(last - (choices - count))));
    chosen.push_back(std::ranges::find(chosen, drawn) == chosen.end() ? drawn : last);
  }
  for (std::int64_t& block : chosen) block = block < before ? options.global_blocks + block : window.end + block - before;
  std::ranges::sort(chosen);
  return chosen;
}

SharedSparsePattern make_block_pattern(const BlockPatternOptions& options) {
  check<InputError>(options.block_size >= 1 && options.global_blocks >= 0 && options.random_blocks >= 0,
                    "[sparse attention] expected blocks of at least 1 and no negative number of them, found ",
                    options.block_size, ", ", options.global_blocks, " and ", options.random_blocks);
  check<InputError>(options.window_blocks >= 1 && options.window_blocks % 2 == 1,
                    "[sparse attention] expected an odd number of blocks in the window, found ", options.window_blocks);
  return std::make_shared<const BlockPattern>(options);
}

}  // namespace cosformer
