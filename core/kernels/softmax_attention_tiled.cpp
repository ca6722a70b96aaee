#include <algorithm>
#include <cmath>

#include "core/kernels/softmax_attention.h"
#include "core/kernels/softmax_attention_scores.h"
#include "core/parallel.h"
#include "core/simd.h"

namespace cosformer {

namespace {

using detail::Factor;
using detail::mask_of;
using detail::multiply;
using detail::Range;
using detail::Rows;
using detail::rows_of;
using detail::Scratch;
using detail::transpose;

/// A tile of scores with its rows of queries, keys and values fits the second-level cache.
constexpr std::int64_t kQueryTile = 128;
constexpr std::int64_t kKeyTile = 256;

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

/// Turns a row of scores into exp(s - new maximum) and returns what the earlier sums must be multiplied by.
template <class T>
T advance_row(T* scores, std::int64_t count, T* max, T* sum) {
  const T largest = std::max(*max, row_max(scores, count));
  // Nothing visible so far: exp(-inf - -inf) would be NaN.
  if (largest == -kInfinity<T>) {
    std::fill(scores, scores + count, T{0});
    return 1;
  }
  const T correction = std::exp(*max - largest);
  *sum = *sum * correction + row_exp_sum(scores, T{1}, largest, scores, count);
  *max = largest;
  return correction;
}

}  // namespace

template <class T>
void softmax_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                               Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<T> out,
                               T* log_sum_exp) {
  detail::check_softmax_attention(sizes, visibility.causal);
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  const std::int64_t tiles = (sizes.queries + kQueryTile - 1) / kQueryTile;
  parallel_for(sizes.batch * sizes.heads * tiles, [&](std::int64_t task) {
    const std::int64_t b = task / tiles / sizes.heads, h = task / tiles % sizes.heads;
    const Range queries{task % tiles * kQueryTile, std::min((task % tiles + 1) * kQueryTile, sizes.queries)};
    const std::int64_t count = queries.end - queries.begin;
    const std::uint8_t* mask = mask_of(visibility, sizes, b);
    const Scratch<T> scaled_q(kQueryTile, D), k(kKeyTile, D), turned_k(D, kKeyTile), v(kKeyTile, E),
        scores(kQueryTile, kKeyTile);
    const Scratch<T> max(1, kQueryTile), sum(1, kQueryTile);
    Scratch<T> sums(kQueryTile, E);
    sums.fill_zero();
    std::fill(max[0], max[0] + count, -kInfinity<T>);
    std::fill(sum[0], sum[0] + count, T{0});
    detail::scaled_rows<T>(count, D, scale, rows_of(query, b, h).from(queries.begin), scaled_q.rows());
    const Range seen = visible_keys(visibility, queries, sizes.keys);
    for (std::int64_t begin = seen.begin; begin < seen.end; begin += kKeyTile) {
      const Range keys{begin, std::min(begin + kKeyTile, seen.end)};
      const std::int64_t width = keys.end - keys.begin;
      const std::uint8_t* tile_mask = mask == nullptr ? nullptr : mask + begin;
      detail::copy_rows<T>(width, D, rows_of(key, b, h).from(begin), tile_mask, k.rows());
      detail::copy_rows<T>(width, E, rows_of(value, b, h).from(begin), tile_mask, v.rows());
      transpose<T>(width, D, k.rows(), turned_k.rows());
      multiply<T>(count, width, D, scaled_q.rows(), turned_k.rows(), false, scores.rows());
      detail::hide_scores(visibility, mask, queries, keys, scores.rows());
      for (std::int64_t i = 0; i < count; ++i) {
        const T correction = advance_row(scores[i], width, max[0] + i, sum[0] + i);
        if (correction != 1) row_scale(correction, sums[i], sums[i], E);
      }
      multiply<T>(count, E, width, scores.rows(), v.rows(), true, sums.rows());
    }
    T* row_log_sum_exp = log_sum_exp + (b * sizes.heads + h) * sizes.queries + queries.begin;
    for (std::int64_t i = 0; i < count; ++i) {
      const bool blind = max[0][i] == -kInfinity<T>;
      row_scale(blind ? T{0} : 1 / sum[0][i], sums[i], rows_of(out, b, h)[queries.begin + i], E);
      row_log_sum_exp[i] = blind ? -kInfinity<T> : max[0][i] + std::log(sum[0][i]);
    }
  });
}

template <class T>
void softmax_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> out,
                                const T* log_sum_exp, Heads<const T> dout, Heads<T> dquery, Heads<T> dkey, Heads<T> dvalue) {
  detail::check_softmax_attention(sizes, visibility.causal);
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    const std::uint8_t* mask = mask_of(visibility, sizes, b);
    const T* row_log_sum_exp = log_sum_exp + task * sizes.queries;
    const Rows<const T> q = rows_of(query, b, h), g = rows_of(dout, b, h);
    const Rows<T> dq = rows_of(dquery, b, h);
    const Scratch<T> scaled_q(sizes.queries, D), delta(1, sizes.queries);
    const Scratch<T> k(kKeyTile, D), turned_k(D, kKeyTile), v(kKeyTile, E), turned_v(E, kKeyTile), p(kQueryTile, kKeyTile),
        dp(kQueryTile, kKeyTile);
    Scratch<T> dk(kKeyTile, D), dv(kKeyTile, E);
    detail::scaled_rows<T>(sizes.queries, D, scale, q, scaled_q.rows());
    detail::zero_rows(sizes.queries, D, dq);
    for (std::int64_t i = 0; i < sizes.queries; ++i) delta[0][i] = row_dot(g[i], rows_of(out, b, h)[i], E);
    for (std::int64_t begin = 0; begin < sizes.keys; begin += kKeyTile) {
      const Range keys{begin, std::min(begin + kKeyTile, sizes.keys)};
      const std::int64_t width = keys.end - keys.begin;
      const std::uint8_t* tile_mask = mask == nullptr ? nullptr : mask + begin;
      detail::copy_rows<T>(width, D, rows_of(key, b, h).from(begin), tile_mask, k.rows());
      detail::copy_rows<T>(width, E, rows_of(value, b, h).from(begin), tile_mask, v.rows());
      transpose<T>(width, D, k.rows(), turned_k.rows());
      transpose<T>(width, E, v.rows(), turned_v.rows());
      dk.fill_zero();
      dv.fill_zero();
      const Range seeing = visible_queries(visibility, keys, sizes.queries);
      for (std::int64_t first = seeing.begin; first < seeing.end; first += kQueryTile) {
        const Range queries{first, std::min(first + kQueryTile, seeing.end)};
        const std::int64_t count = queries.end - queries.begin;
        multiply<T>(count, width, D, scaled_q.from(first), turned_k.rows(), false, p.rows());
        detail::hide_scores(visibility, mask, queries, keys, p.rows());
        multiply<T>(count, width, E, g.from(first), turned_v.rows(), false, dp.rows());
        for (std::int64_t i = 0; i < count; ++i) {
          // A query that sees nothing has log_sum_exp = -infinity; its probabilities are 0.
          const T shift = row_log_sum_exp[first + i] == -kInfinity<T> ? kInfinity<T> : row_log_sum_exp[first + i];
          row_exp_sum(p[i], T{1}, shift, p[i], width);
          for (std::int64_t j = 0; j < width; ++j) dp[i][j] = p[i][j] * (dp[i][j] - delta[0][first + i]);
        }
        multiply<T>(width, E, count, Factor<T>::transposed(p.rows()), g.from(first), true, dv.rows());
        multiply<T>(width, D, count, Factor<T>::transposed(dp.rows()), scaled_q.from(first), true, dk.rows());
        multiply<T>(count, D, width, dp.rows(), k.rows(), true, dq.from(first));
      }
      detail::copy_rows<T>(width, D, dk.rows(), tile_mask, rows_of(dkey, b, h).from(begin));
      detail::copy_rows<T>(width, E, dv.rows(), tile_mask, rows_of(dvalue, b, h).from(begin));
    }
    detail::scaled_rows<T>(sizes.queries, D, scale, dq, dq);
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                        \
  template void softmax_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,      \
                                             Heads<const T>, Heads<const T>, Heads<T>, T*);                             \
  template void softmax_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,     \
                                              Heads<const T>, Heads<const T>, Heads<const T>, const T*, Heads<const T>, \
                                              Heads<T>, Heads<T>, Heads<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
