// Longformer's pattern: a window and global tokens.
#include <algorithm>

#include "core/error.h"
#include "core/kernels/sparse_attention/list_tiles.h"
#include "core/kernels/sparse_attention/patterns.h"

namespace cosformer {

namespace {

class WindowPattern : public SparsePattern {
 public:
  explicit WindowPattern(const WindowPatternOptions& options) : options_(options) {}

  void for_each_tile(const SparseItem& item, std::int64_t, const TileVisitor& visit) const override {
    SparseTile tile;
    const std::int32_t first_local = item.first_query_at(options_.global_tokens);
    detail::for_each_group({0, first_local}, [&](ListRange queries) {
      detail::list_all_keys(item, queries, tile);
      visit(tile);
    });
    const ListRange global_keys = item.keys_at(0, options_.global_tokens);
    detail::for_each_group({first_local, item.queries()}, [&](ListRange queries) {
      list_window(item, global_keys, queries, tile);
      visit(tile);
    });
  }

  double pairs(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys),
               window = static_cast<double>(options_.window);
    const double all = rows * columns * (causal ? 0.5 : 1.0);
    const double global = std::min(static_cast<double>(options_.global_tokens), std::min(rows, columns));
    // Global tokens as keys of all queries and, if these see what comes later, as queries of all keys.
    const double local = rows * (causal ? window + 1 : 2 * window + 1) + global * (causal ? rows : rows + columns);
    return std::min(all, local);
  }

 private:
  /// Queries behind the global tokens: global keys, which they all see (these come before by any count), and a window.
  void list_window(const SparseItem& item, ListRange global_keys, ListRange queries, SparseTile& tile) const {
    tile.clear();
    detail::list_queries(queries, tile);
    const auto window_of = [&](std::int32_t query) {
      const std::int64_t position = item.query_position(query);
      ListRange keys = item.keys_at(std::max(options_.global_tokens, position - options_.window),
                                    std::max(options_.global_tokens, position + options_.window + 1));
      keys.end = std::max(keys.begin, std::min(keys.end, item.keys_seen_by(query)));
      return keys;
    };
    detail::list_keys(item, global_keys, tile);
    const ListRange all{window_of(queries.begin).begin,
                        std::max(window_of(queries.begin).begin, window_of(queries.end - 1).end)};
    const detail::ListedRange listed = detail::list_keys_at(item, all, tile);
    for (const std::int32_t i : tile.queries) {
      tile.seen.push_back({{0, std::min(global_keys.end, item.keys_seen_by(i))}, listed.within(window_of(i))});
    }
  }

  WindowPatternOptions options_;
};

}  // namespace

SharedSparsePattern make_window_pattern(const WindowPatternOptions& options) {
  check<InputError>(options.window >= 0 && options.global_tokens >= 0,
                    "[sparse attention] expected a window and global tokens of at least 0, found ", options.window, " and ",
                    options.global_tokens);
  return std::make_shared<const WindowPattern>(options);
}

}  // namespace cosformer
