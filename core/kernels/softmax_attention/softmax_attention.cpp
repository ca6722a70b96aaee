#include "core/kernels/softmax_attention/softmax_attention.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/softmax_attention/online_softmax.h"
#include "core/kernels/softmax_attention/scores.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

using detail::advance_row;
using detail::kInfinity;
using detail::MatrixView;
using detail::Range;
using detail::rows_of;
using detail::ScratchMatrix;
using detail::transpose;

/// Rows of queries and keys whose scores are held at once: with their operands they fit the second-level cache. A window
/// narrower than that gets smaller tiles, of which less lies outside it.
struct TileSize {
  explicit TileSize(const AttentionVisibility& visibility) {
    if (visibility.window < 0) return;
    queries = 64;
    keys = visibility.window >= keys ? keys : std::max<std::int64_t>(1, (visibility.window + 63) / 64) * 64;
  }
  std::int64_t queries = 128;
  std::int64_t keys = 256;
};

/// The rows of keys that one tile of them takes, ready as right factors: k transposed, and v. Masked rows are 0.
template <class T>
class KeyTile {
 public:
  KeyTile(const AttentionSizes& sizes, const TileSize& tile)
      : D_(sizes.head_dim), E_(sizes.value_dim), k_(tile.keys, D_), turned_k_(D_, tile.keys), v_(tile.keys, E_) {}

  void load(Range keys, const std::uint8_t* key_mask, MatrixView<const T> key, MatrixView<const T> value) const {
    const std::int64_t width = keys.end - keys.begin;
    const std::uint8_t* mask = key_mask == nullptr ? nullptr : key_mask + keys.begin;
    MatrixView<const T> rows = key.from(keys.begin);
    if (mask != nullptr) {
      detail::copy_rows<T>(width, D_, rows, mask, k_.view());
      rows = k_.view();
    }
    transpose<T>(width, D_, rows, turned_k_.view());
    detail::copy_rows<T>(width, E_, value.from(keys.begin), mask, v_.view());
  }
  MatrixView<const T> turned_k() const { return turned_k_.view(); }
  MatrixView<const T> v() const { return v_.view(); }

 private:
  std::int64_t D_, E_;
  ScratchMatrix<T> k_, turned_k_, v_;
};

/// Tiles of queries that go over the keys together, so that each tile of keys is made ready once for all of them; with a
/// window each goes alone, for each begins with another key. A few tasks are left for every thread.
std::int64_t tiles_together(const AttentionSizes& sizes, const AttentionVisibility& visibility, std::int64_t tiles) {
  constexpr std::int64_t kMost = 4, kTasks = 16;
  if (visibility.window >= 0) return 1;
  return std::clamp<std::int64_t>(sizes.batch * sizes.heads * tiles / kTasks, 1, kMost);
}

}  // namespace

template <class T>
void softmax_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                               Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<T> out,
                               T* log_sum_exp) {
  detail::check_softmax_attention(sizes, visibility);
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  const TileSize tile(visibility);
  const std::int64_t rows =
      tiles_together(sizes, visibility, (sizes.queries + tile.queries - 1) / tile.queries) * tile.queries;
  const std::int64_t groups = (sizes.queries + rows - 1) / rows;
  parallel_for(sizes.batch * sizes.heads * groups, [&](std::int64_t task) {
    const std::int64_t b = task / groups / sizes.heads, h = task / groups % sizes.heads;
    const std::int64_t first = task % groups * rows, last = std::min(first + rows, sizes.queries);
    const detail::ItemVisibility item(visibility, sizes, b);
    const KeyTile<T> key_tile(sizes, tile);
    const ScratchMatrix<T> scaled_q(rows, D), scores(tile.queries, tile.keys), max(1, rows), sum(1, rows);
    ScratchMatrix<T> sums(rows, E);
    sums.fill_zero();
    std::fill(max[0], max[0] + rows, -kInfinity<T>);
    std::fill(sum[0], sum[0] + rows, T{0});
    detail::scaled_rows<T>(last - first, D, scale, rows_of(query, b, h).from(first), scaled_q.view());
    const Range all_seen = visible_keys(item, {first, last}, sizes.keys);
    for (std::int64_t begin = all_seen.begin; begin < all_seen.end; begin += tile.keys) {
      key_tile.load({begin, std::min(begin + tile.keys, all_seen.end)}, item.key_mask, rows_of(key, b, h),
                    rows_of(value, b, h));
      for (Range queries{first, 0}; queries.begin < last; queries.begin += tile.queries) {
        queries.end = std::min(queries.begin + tile.queries, last);
        const Range keys{begin, std::min(begin + tile.keys, visible_keys(item, queries, sizes.keys).end)};
        if (keys.begin >= keys.end) continue;
        const std::int64_t count = queries.end - queries.begin, row = queries.begin - first;
        const detail::TileColumns columns(item, queries, keys);
        detail::multiply_scores<T>(count, columns, D, scaled_q.from(row), key_tile.turned_k(), scores.view());
        detail::subtract_distances(visibility, item, h, queries, keys, scores.view());
        if (item.has_holes()) detail::hide_scores(item, queries, keys, scores.view());
        for (std::int64_t i = 0; i < count; ++i) {
          const T correction = advance_row(scores[i], columns.seen(i), max[0] + row + i, sum[0] + row + i);
          std::fill(scores[i] + columns.seen(i), scores[i] + columns.width(), T{0});
          // The sums count all weights; what is dropped is missing from the values alone.
          if (visibility.dropout) {
            const std::int64_t element = ((b * sizes.heads + h) * sizes.queries + queries.begin + i) * sizes.keys + begin;
            loops<T>().dropout(*visibility.dropout, element, scores[i], scores[i], columns.seen(i));
          }
          if (correction != 1) loops<T>().scale(correction, sums[row + i], sums[row + i], E);
        }
        detail::add_weighted<T>(count, columns, E, scores.view(), key_tile.v(), sums.from(row));
      }
    }
    T* row_log_sum_exp = log_sum_exp + (b * sizes.heads + h) * sizes.queries + first;
    for (std::int64_t i = 0; i < last - first; ++i) {
      const bool blind = max[0][i] == -kInfinity<T>;
      loops<T>().scale(blind ? T{0} : 1 / sum[0][i], sums[i], rows_of(out, b, h)[first + i], E);
      row_log_sum_exp[i] = blind ? -kInfinity<T> : max[0][i] + std::log(sum[0][i]);
    }
  });
}

template <class T>
void softmax_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> out,
                                const T* log_sum_exp, Heads<const T> dout, const Gradient<T>& dquery,
                                const Gradient<T>& dkey, const Gradient<T>& dvalue) {
  detail::check_softmax_attention(sizes, visibility);
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  const TileSize tile(visibility);
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    const detail::ItemVisibility item(visibility, sizes, b);
    const T* row_log_sum_exp = log_sum_exp + task * sizes.queries;
    const ScratchMatrix<T> scaled_q(sizes.queries, D), g(sizes.queries, E), delta(1, sizes.queries);
    ScratchMatrix<T> dq(sizes.queries, D);
    const ScratchMatrix<T> k(tile.keys, D), turned_k(D, tile.keys), v(tile.keys, E), turned_v(E, tile.keys),
        p(tile.queries, tile.keys), dp(tile.queries, tile.keys);
    ScratchMatrix<T> dk(tile.keys, D), dv(tile.keys, E);
    detail::scaled_rows<T>(sizes.queries, D, scale, rows_of(query, b, h), scaled_q.view());
    detail::copy_rows<T>(sizes.queries, E, rows_of(dout, b, h), nullptr, g.view());
    dq.fill_zero();
    detail::row_dots<T>(sizes.queries, E, g.view(), rows_of(out, b, h), delta[0]);
    for (std::int64_t begin = 0; begin < sizes.keys; begin += tile.keys) {
      const Range keys{begin, std::min(begin + tile.keys, sizes.keys)};
      const std::int64_t width = keys.end - keys.begin;
      const std::uint8_t* tile_mask = item.key_mask == nullptr ? nullptr : item.key_mask + begin;
      detail::copy_rows<T>(width, D, rows_of(key, b, h).from(begin), tile_mask, k.view());
      detail::copy_rows<T>(width, E, rows_of(value, b, h).from(begin), tile_mask, v.view());
      transpose<T>(width, D, k.view(), turned_k.view());
      transpose<T>(width, E, v.view(), turned_v.view());
      dk.fill_zero();
      dv.fill_zero();
      const Range seeing = visible_queries(item, keys, sizes.queries);
      for (std::int64_t first = seeing.begin; first < seeing.end; first += tile.queries) {
        const Range queries{first, std::min(first + tile.queries, seeing.end)};
        const std::int64_t count = queries.end - queries.begin;
        // Of this tile of keys, those that this tile of queries can see.
        const Range seen = visible_keys(item, queries, keys.end);
        const std::int64_t from = std::max(keys.begin, seen.begin) - begin, seen_width = seen.end - begin - from;
        if (seen_width <= 0) continue;  // Between positions that are far apart a window holds no key.
        const detail::TileColumns columns(item, queries, {begin + from, seen.end});
        detail::multiply_scores<T>(count, columns, D, scaled_q.from(first), turned_k.from(0, from), p.view());
        detail::subtract_distances(visibility, item, h, queries, {begin + from, seen.end}, p.view());
        if (item.has_holes()) detail::hide_scores(item, queries, {begin + from, seen.end}, p.view());
        detail::multiply_scores<T>(count, columns, E, g.from(first), turned_v.from(0, from), dp.view());
        for (std::int64_t i = 0; i < count; ++i) {
          // A query that sees nothing has log_sum_exp = -infinity; its probabilities are 0.
          const T shift = row_log_sum_exp[first + i] == -kInfinity<T> ? kInfinity<T> : row_log_sum_exp[first + i];
          const std::int64_t visible = columns.seen(i);
          loops<T>().exp_sum(p[i], T{1}, shift, p[i], visible);
          const std::int64_t element = (task * sizes.queries + first + i) * sizes.keys + begin + from;
          if (visibility.dropout) loops<T>().dropout(*visibility.dropout, element, dp[i], dp[i], visible);
          loops<T>().softmax_gradient(p[i], delta[0][first + i], dp[i], visible);
          if (visibility.dropout) loops<T>().dropout(*visibility.dropout, element, p[i], p[i], visible);
          std::fill(p[i] + visible, p[i] + seen_width, T{0});
          std::fill(dp[i] + visible, dp[i] + seen_width, T{0});
        }
        detail::add_transposed<T>(count, columns, E, p.view(), g.from(first), dv.from(from));
        detail::add_transposed<T>(count, columns, D, dp.view(), scaled_q.from(first), dk.from(from));
        detail::add_weighted<T>(count, columns, D, dp.view(), k.from(from), dq.from(first));
      }
      detail::copy_rows<T>(width, D, dk.view(), tile_mask, rows_of(written.key.heads(), b, h).from(begin));
      detail::copy_rows<T>(width, E, dv.view(), tile_mask, rows_of(written.value.heads(), b, h).from(begin));
    }
    detail::scaled_rows<T>(sizes.queries, D, scale, dq.view(), rows_of(written.query.heads(), b, h));
  });
  written.finish();
}

#define COSFORMER_INSTANTIATE(T)                                                                                        \
  template void softmax_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,      \
                                             Heads<const T>, Heads<const T>, Heads<T>, T*);                             \
  template void softmax_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,     \
                                              Heads<const T>, Heads<const T>, Heads<const T>, const T*, Heads<const T>, \
                                              const Gradient<T>&, const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
