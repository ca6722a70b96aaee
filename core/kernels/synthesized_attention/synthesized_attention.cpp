#include "core/kernels/synthesized_attention/synthesized_attention.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/softmax_attention/online_softmax.h"
#include "core/kernels/softmax_attention/scores.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::Factor;
using detail::ItemVisibility;
using detail::kInfinity;
using detail::MatrixView;
using detail::multiply;
using detail::Range;
using detail::rows_of;
using detail::ScratchMatrix;

constexpr std::int64_t kTileQueries = 64, kTileKeys = 256;

/// Reads and gives back scores of one head of one item from a table.
template <class T>
class TableRows {
 public:
  TableRows(const AttentionSizes& sizes, const AttentionVisibility& visibility, const ScoreTable<T>& scores, std::int64_t b,
            std::int64_t h, T* dtable = nullptr)
      : table_{scores.data + h * scores.length * scores.length, scores.length},
        dtable_{dtable == nullptr ? nullptr : dtable + h * scores.length * scores.length, scores.length},
        query_positions_(detail::positions_of(visibility.query_positions, b, sizes.queries)),
        key_positions_(detail::positions_of(visibility.key_positions, b, sizes.keys)) {}

  void read(std::int64_t i, Range keys, T* row) const {
    const T* from = table_[query_positions_ == nullptr ? i : query_positions_[i]];
    for (std::int64_t j = keys.begin; j < keys.end; ++j) row[j - keys.begin] = from[place(j)];
  }
  void add_gradient(std::int64_t i, Range keys, const T* drow) const {
    if (dtable_.data == nullptr) return;
    T* to = dtable_[query_positions_ == nullptr ? i : query_positions_[i]];
    for (std::int64_t j = keys.begin; j < keys.end; ++j) to[place(j)] += drow[j - keys.begin];
  }

 private:
  std::int64_t place(std::int64_t j) const { return key_positions_ == nullptr ? j : key_positions_[j]; }

  MatrixView<const T> table_;
  MatrixView<T> dtable_;
  const std::int32_t* query_positions_;
  const std::int32_t* key_positions_;
};

/// The same from two factors.
template <class T>
class FactorRows {
 public:
  FactorRows(const AttentionSizes& sizes, const AttentionVisibility& visibility, const ScoreFactors<T>& scores,
             std::int64_t b, std::int64_t h, Heads<T> da = {}, Heads<T> db = {})
      : a_size_(scores.a_size),
        a_(rows_of(scores.a, b, h)),
        b_(rows_of(scores.b, b, h)),
        da_(rows_of(da, b, h)),
        db_(rows_of(db, b, h)),
        key_positions_(detail::positions_of(visibility.key_positions, b, sizes.keys)) {}

  void read(std::int64_t i, Range keys, T* row) const {
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const std::int64_t p = place(j);
      row[j - keys.begin] = a_[i][p % a_size_] * b_[i][p / a_size_];
    }
  }
  void add_gradient(std::int64_t i, Range keys, const T* drow) const {
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const std::int64_t p = place(j), r = p % a_size_, m = p / a_size_;
      da_[i][r] += drow[j - keys.begin] * b_[i][m];
      db_[i][m] += drow[j - keys.begin] * a_[i][r];
    }
  }

 private:
  std::int64_t place(std::int64_t j) const { return key_positions_ == nullptr ? j : key_positions_[j]; }

  std::int64_t a_size_;
  MatrixView<const T> a_, b_;
  MatrixView<T> da_, db_;
  const std::int32_t* key_positions_;
};

/// Keys of a tile's queries that causality leaves.
std::int64_t last_key(const ItemVisibility& item, std::int64_t last_query, std::int64_t keys) {
  return item.causal ? std::min(last_query, keys) : keys;
}

/// `rows_at(b, h)` gives what reads a head's scores.
template <class T, class RowsAt>
void forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, Heads<const T> value, Heads<T> out,
             T* log_sum_exp, RowsAt&& rows_at) {
  const std::int64_t E = sizes.value_dim, tiles = (sizes.queries + kTileQueries - 1) / kTileQueries;
  parallel_for(sizes.batch * sizes.heads * tiles, [&](std::int64_t task) {
    const std::int64_t head = task / tiles, b = head / sizes.heads, h = head % sizes.heads;
    const Range queries{task % tiles * kTileQueries, std::min((task % tiles + 1) * kTileQueries, sizes.queries)};
    const std::int64_t count = queries.end - queries.begin;
    const ItemVisibility item(visibility, sizes, b);
    const auto rows = rows_at(b, h);
    const ScratchMatrix<T> scores(kTileQueries, kTileKeys), v(kTileKeys, E), max(1, count), sum(1, count);
    ScratchMatrix<T> sums(kTileQueries, E);
    sums.fill_zero();
    std::fill(max[0], max[0] + count, -kInfinity<T>);
    std::fill(sum[0], sum[0] + count, T{0});
    const std::int64_t last = last_key(item, queries.end, sizes.keys);
    for (std::int64_t begin = 0; begin < last; begin += kTileKeys) {
      const Range keys{begin, std::min(begin + kTileKeys, last)};
      const std::int64_t width = keys.end - keys.begin;
      for (std::int64_t i = 0; i < count; ++i) rows.read(queries.begin + i, keys, scores[i]);
      detail::hide_scores(item, queries, keys, scores.view());
      for (std::int64_t i = 0; i < count; ++i) {
        const T correction = detail::advance_row(scores[i], width, max[0] + i, sum[0] + i);
        const std::int64_t element = (head * sizes.queries + queries.begin + i) * sizes.keys + begin;
        if (visibility.dropout) loops<T>().dropout(*visibility.dropout, element, scores[i], scores[i], width);
        if (correction != 1) loops<T>().scale(correction, sums[i], sums[i], E);
      }
      detail::copy_rows<T>(width, E, rows_of(value, b, h).from(begin), item.key_mask ? item.key_mask + begin : nullptr,
                           v.view());
      multiply<T>(count, E, width, scores.view(), v.view(), true, sums.view());
    }
    T* row_log_sum_exp = log_sum_exp + head * sizes.queries + queries.begin;
    for (std::int64_t i = 0; i < count; ++i) {
      const bool blind = max[0][i] == -kInfinity<T>;
      loops<T>().scale(blind ? T{0} : 1 / sum[0][i], sums[i], rows_of(out, b, h)[queries.begin + i], E);
      row_log_sum_exp[i] = blind ? -kInfinity<T> : max[0][i] + std::log(sum[0][i]);
    }
  });
}

template <class T, class RowsAt>
void backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, Heads<const T> value, Heads<const T> out,
              const T* log_sum_exp, Heads<const T> dout, Heads<T> dvalue, RowsAt&& rows_at) {
  const std::int64_t E = sizes.value_dim, N = sizes.queries, S = sizes.keys;
  parallel_for(sizes.heads, [&](std::int64_t h) {
    const ScratchMatrix<T> p(kTileQueries, kTileKeys), dp(kTileQueries, kTileKeys), v(S, E), turned_v(E, S),
        g(kTileQueries, E), delta(1, kTileQueries);
    for (std::int64_t b = 0; b < sizes.batch; ++b) {
      const std::int64_t head = b * sizes.heads + h;
      const ItemVisibility item(visibility, sizes, b);
      const auto rows = rows_at(b, h);
      ScratchMatrix<T> dv(S, E);
      dv.fill_zero();
      detail::copy_rows<T>(S, E, rows_of(value, b, h), item.key_mask, v.view());
      detail::transpose<T>(S, E, v.view(), turned_v.view());
      for (std::int64_t first = 0; first < N; first += kTileQueries) {
        const Range queries{first, std::min(first + kTileQueries, N)};
        const std::int64_t count = queries.end - queries.begin, last = last_key(item, queries.end, S);
        detail::copy_rows<T>(count, E, rows_of(dout, b, h).from(first), nullptr, g.view());
        detail::row_dots<T>(count, E, g.view(), rows_of(out, b, h).from(first), delta[0]);
        for (std::int64_t begin = 0; begin < last; begin += kTileKeys) {
          const Range keys{begin, std::min(begin + kTileKeys, last)};
          const std::int64_t width = keys.end - keys.begin;
          for (std::int64_t i = 0; i < count; ++i) rows.read(first + i, keys, p[i]);
          detail::hide_scores(item, queries, keys, p.view());
          multiply<T>(count, width, E, g.view(), turned_v.from(0, begin), false, dp.view());
          for (std::int64_t i = 0; i < count; ++i) {
            const T own = log_sum_exp[head * N + first + i], shift = own == -kInfinity<T> ? kInfinity<T> : own;
            const std::int64_t element = (head * N + first + i) * S + begin;
            loops<T>().exp_sum(p[i], T{1}, shift, p[i], width);
            if (visibility.dropout) loops<T>().dropout(*visibility.dropout, element, dp[i], dp[i], width);
            loops<T>().softmax_gradient(p[i], delta[0][i], dp[i], width);
            if (visibility.dropout) loops<T>().dropout(*visibility.dropout, element, p[i], p[i], width);
            rows.add_gradient(first + i, keys, dp[i]);
          }
          multiply<T>(width, E, count, Factor<T>::transposed(p.view()), g.view(), true, dv.from(begin));
        }
      }
      detail::copy_rows<T>(S, E, dv.view(), item.key_mask, rows_of(dvalue, b, h));
    }
  });
}

}  // namespace

template <class T>
void table_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, const ScoreTable<T>& scores,
                             Heads<const T> value, Heads<T> out, T* log_sum_exp) {
  forward<T>(sizes, visibility, value, out, log_sum_exp,
             [&](std::int64_t b, std::int64_t h) { return TableRows<T>(sizes, visibility, scores, b, h); });
}

template <class T>
void factor_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const ScoreFactors<T>& scores, Heads<const T> value, Heads<T> out, T* log_sum_exp) {
  forward<T>(sizes, visibility, value, out, log_sum_exp,
             [&](std::int64_t b, std::int64_t h) { return FactorRows<T>(sizes, visibility, scores, b, h); });
}

template <class T>
void table_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const ScoreTable<T>& scores, Heads<const T> value, Heads<const T> out, const T* log_sum_exp,
                              Heads<const T> dout, const Gradient<T>& dtable, const Gradient<T>& dvalue) {
  const detail::WrittenGradient<T> dv(dvalue, sizes.batch, sizes.keys, sizes.heads, sizes.value_dim);
  T* sums = begin_sum(dtable, sizes.heads * scores.length * scores.length);
  backward<T>(sizes, visibility, value, out, log_sum_exp, dout, dv.heads(),
              [&](std::int64_t b, std::int64_t h) { return TableRows<T>(sizes, visibility, scores, b, h, sums); });
  dv.finish();
}

template <class T>
void factor_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const ScoreFactors<T>& scores, Heads<const T> value, Heads<const T> out, const T* log_sum_exp,
                               Heads<const T> dout, const Gradient<T>& da, const Gradient<T>& db,
                               const Gradient<T>& dvalue) {
  const detail::WrittenGradient<T> dv(dvalue, sizes.batch, sizes.keys, sizes.heads, sizes.value_dim),
      own_a(da, sizes.batch, sizes.queries, sizes.heads, scores.a_size),
      own_b(db, sizes.batch, sizes.queries, sizes.heads, scores.b_size);
  std::fill_n(own_a.heads().data, sizes.batch * sizes.queries * sizes.heads * scores.a_size, T{0});
  std::fill_n(own_b.heads().data, sizes.batch * sizes.queries * sizes.heads * scores.b_size, T{0});
  backward<T>(sizes, visibility, value, out, log_sum_exp, dout, dv.heads(), [&](std::int64_t b, std::int64_t h) {
    return FactorRows<T>(sizes, visibility, scores, b, h, own_a.heads(), own_b.heads());
  });
  dv.finish();
  own_a.finish();
  own_b.finish();
}

#define COSFORMER_INSTANTIATE(T)                                                                                           \
  template void table_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, const ScoreTable<T>&,        \
                                           Heads<const T>, Heads<T>, T*);                                                  \
  template void factor_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, const ScoreFactors<T>&,     \
                                            Heads<const T>, Heads<T>, T*);                                                 \
  template void table_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&, const ScoreTable<T>&,       \
                                            Heads<const T>, Heads<const T>, const T*, Heads<const T>, const Gradient<T>&,  \
                                            const Gradient<T>&);                                                           \
  template void factor_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&, const ScoreFactors<T>&,    \
                                             Heads<const T>, Heads<const T>, const T*, Heads<const T>, const Gradient<T>&, \
                                             const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
