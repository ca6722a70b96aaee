#include "core/kernels/sparse_attention/sparse_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/attention_tiles.h"
#include "core/kernels/softmax_attention/online_softmax.h"
#include "core/kernels/sparse_attention/tile_rows.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::Factor;
using detail::kInfinity;
using detail::kSparseTileKeys;
using detail::MatrixView;
using detail::multiply;
using detail::rows_of;
using detail::ScratchMatrix;
using detail::TilePart;

void check_sizes(const AttentionSizes& sizes, const AttentionVisibility& visibility) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  check<ShapeError>(sizes.queries <= kMost && sizes.keys <= kMost, "[sparse attention] texts of ", sizes.queries, " and ",
                    sizes.keys, " tokens are too long");
  check<ShapeError>(sizes.head_dim >= 1 && sizes.value_dim >= 1,
                    "[sparse attention] head_dim and value_dim must be at least 1, not ", sizes.head_dim, " and ",
                    sizes.value_dim);
  check<ShapeError>(!visibility.causal || sizes.queries == sizes.keys,
                    "[sparse attention] causal attention needs as many keys as queries, found ", sizes.queries,
                    " queries and ", sizes.keys, " keys");
}

template <class T>
void scale_rows(std::int64_t count, std::int64_t width, T factor, MatrixView<const T> source, MatrixView<T> target) {
  for (std::int64_t i = 0; i < count; ++i) loops<T>().scale(factor, source[i], target[i], width);
}

/// Scratch rows of a tile, that grow with its number of queries.
template <class T>
class TileRoom {
 public:
  explicit TileRoom(std::int64_t width) : width_(width), room_(kSparseTileQueries, width) {}
  MatrixView<T> rows(std::size_t count) {
    if (static_cast<std::int64_t>(count) > held_) room_ = ScratchMatrix<T>(held_ = static_cast<std::int64_t>(count), width_);
    return room_.view();
  }

 private:
  std::int64_t width_, held_ = kSparseTileQueries;
  ScratchMatrix<T> room_;
};

/// One head's forward pass: running sums of its queries.
template <class T>
class ForwardHead {
 public:
  ForwardHead(const AttentionSizes& sizes, const AttentionVisibility& visibility, MatrixView<const T> key,
              MatrixView<const T> value, std::int64_t first_element)
      : sizes_(sizes),
        visibility_(visibility),
        key_(key),
        value_(value),
        first_element_(first_element),
        scaled_q_(sizes.queries, sizes.head_dim),
        sums_(sizes.queries, sizes.value_dim),
        max_(1, sizes.queries),
        sum_(1, sizes.queries),
        k_(kSparseTileKeys, sizes.head_dim),
        turned_k_(sizes.head_dim, kSparseTileKeys),
        v_(kSparseTileKeys, sizes.value_dim),
        q_(sizes.head_dim),
        own_sums_(sizes.value_dim),
        scores_(kSparseTileKeys) {
    sums_.fill_zero();
    std::fill(max_[0], max_[0] + sizes.queries, -kInfinity<T>);
    std::fill(sum_[0], sum_[0] + sizes.queries, T{0});
  }

  void load_queries(MatrixView<const T> query, T scale) {
    scale_rows<T>(sizes_.queries, sizes_.head_dim, scale, query, scaled_q_.view());
  }

  void add(const SparseTile& tile) {
    const std::int64_t D = sizes_.head_dim, E = sizes_.value_dim, count = static_cast<std::int64_t>(tile.queries.size());
    if (tile.queries.empty()) return;
    const bool in_place = detail::are_consecutive(tile.queries);
    const MatrixView<const T> q = detail::rows_to_read<T>(tile.queries, D, scaled_q_.view(), q_.rows(tile.queries.size()));
    MatrixView<T> sums = sums_.from(tile.queries.front());
    if (!in_place) detail::gather_rows<T>(tile.queries, E, sums_.view(), sums = own_sums_.rows(tile.queries.size()));
    const MatrixView<T> scores = scores_.rows(tile.queries.size());
    detail::for_each_part(tile, [&](const TilePart& part) {
      const std::int64_t width = part.width();
      detail::transpose<T>(width, D, detail::rows_to_read<T>(part.keys(), D, key_, k_.view()), turned_k_.view());
      multiply<T>(count, width, D, q, turned_k_.view(), false, scores);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int32_t query = tile.queries[static_cast<std::size_t>(i)];
        const ListRange seen = detail::mark_seen<T>(part, i, scores[i]);
        const T correction =
            detail::advance_row<T>(scores[i] + seen.begin, seen.end - seen.begin, max_[0] + query, sum_[0] + query);
        detail::clear_outside<T>(seen, width, scores[i]);
        // The sums count all weights; what is dropped is missing from the values alone.
        if (visibility_.dropout) {
          detail::drop_listed<T>(*visibility_.dropout, first_element_ + query * sizes_.keys, part.keys(), seen, scores[i]);
        }
        if (correction != 1) loops<T>().scale(correction, sums[i], sums[i], E);
      }
      multiply<T>(count, E, width, scores, detail::rows_to_read<T>(part.keys(), E, value_, v_.view()), true, sums);
    });
    if (!in_place) detail::scatter_rows<T>(tile.queries, E, sums, sums_.view());
  }

  void finish(MatrixView<T> out, T* log_sum_exp) const {
    for (std::int64_t i = 0; i < sizes_.queries; ++i) {
      const bool blind = max_[0][i] == -kInfinity<T>;
      loops<T>().scale(blind ? T{0} : 1 / sum_[0][i], sums_[i], out[i], sizes_.value_dim);
      log_sum_exp[i] = blind ? -kInfinity<T> : max_[0][i] + std::log(sum_[0][i]);
    }
  }

 private:
  const AttentionSizes& sizes_;
  const AttentionVisibility& visibility_;
  MatrixView<const T> key_, value_;
  std::int64_t first_element_;
  ScratchMatrix<T> scaled_q_, sums_, max_, sum_, k_, turned_k_, v_;
  TileRoom<T> q_, own_sums_, scores_;
};

/// One head's backward pass: the gradients of all its rows.
template <class T>
class BackwardHead {
 public:
  BackwardHead(const AttentionSizes& sizes, const AttentionVisibility& visibility, MatrixView<const T> key,
               MatrixView<const T> value, std::int64_t first_element, const T* log_sum_exp)
      : sizes_(sizes),
        visibility_(visibility),
        key_(key),
        value_(value),
        first_element_(first_element),
        log_sum_exp_(log_sum_exp),
        scaled_q_(sizes.queries, sizes.head_dim),
        g_(sizes.queries, sizes.value_dim),
        delta_(1, sizes.queries),
        dq_(sizes.queries, sizes.head_dim),
        dk_(sizes.keys, sizes.head_dim),
        dv_(sizes.keys, sizes.value_dim),
        k_(kSparseTileKeys, sizes.head_dim),
        turned_k_(sizes.head_dim, kSparseTileKeys),
        turned_v_(sizes.value_dim, kSparseTileKeys),
        v_(kSparseTileKeys, sizes.value_dim),
        own_dk_(kSparseTileKeys, sizes.head_dim),
        own_dv_(kSparseTileKeys, sizes.value_dim),
        q_(sizes.head_dim),
        own_g_(sizes.value_dim),
        own_dq_(sizes.head_dim),
        p_(kSparseTileKeys),
        dp_(kSparseTileKeys) {
    dq_.fill_zero();
    dk_.fill_zero();
    dv_.fill_zero();
  }

  void load(MatrixView<const T> query, T scale, MatrixView<const T> out, MatrixView<const T> dout) {
    scale_rows<T>(sizes_.queries, sizes_.head_dim, scale, query, scaled_q_.view());
    detail::copy_rows<T>(sizes_.queries, sizes_.value_dim, dout, nullptr, g_.view());
    detail::row_dots<T>(sizes_.queries, sizes_.value_dim, g_.view(), out, delta_[0]);
  }

  void add(const SparseTile& tile) {
    const std::int64_t D = sizes_.head_dim, E = sizes_.value_dim, count = static_cast<std::int64_t>(tile.queries.size());
    if (tile.queries.empty()) return;
    const bool in_place = detail::are_consecutive(tile.queries);
    const std::size_t rows = tile.queries.size();
    const MatrixView<const T> q = detail::rows_to_read<T>(tile.queries, D, scaled_q_.view(), q_.rows(rows)),
                              g = detail::rows_to_read<T>(tile.queries, E, g_.view(), own_g_.rows(rows));
    const MatrixView<T> dq = in_place ? dq_.from(tile.queries.front()) : own_dq_.rows(rows);
    if (!in_place) detail::zero_rows<T>(count, D, dq);
    const MatrixView<T> p = p_.rows(rows), dp = dp_.rows(rows);
    detail::for_each_part(tile, [&](const TilePart& part) {
      const std::int64_t width = part.width();
      const MatrixView<const T> k = detail::rows_to_read<T>(part.keys(), D, key_, k_.view());
      detail::transpose<T>(width, D, k, turned_k_.view());
      detail::transpose<T>(width, E, detail::rows_to_read<T>(part.keys(), E, value_, v_.view()), turned_v_.view());
      multiply<T>(count, width, D, q, turned_k_.view(), false, p);
      multiply<T>(count, width, E, g, turned_v_.view(), false, dp);
      for (std::int64_t i = 0; i < count; ++i) weigh_row(part, i, p[i], dp[i]);
      multiply<T>(count, D, width, dp, k, true, dq);
      add_to_keys(part, E, p, g, count, own_dv_.view(), dv_.view());
      add_to_keys(part, D, dp, q, count, own_dk_.view(), dk_.view());
    });
    if (!in_place) detail::scatter_add_rows<T>(tile.queries, D, dq, dq_.view());
  }

  void finish(T scale, MatrixView<T> dquery, MatrixView<T> dkey, MatrixView<T> dvalue) const {
    scale_rows<T>(sizes_.queries, sizes_.head_dim, scale, dq_.view(), dquery);
    detail::copy_rows<T>(sizes_.keys, sizes_.head_dim, dk_.view(), nullptr, dkey);
    detail::copy_rows<T>(sizes_.keys, sizes_.value_dim, dv_.view(), nullptr, dvalue);
  }

 private:
  /// Scores become weights after dropout, and the gradients of these become those of the scores.
  void weigh_row(const TilePart& part, std::int64_t i, T* p, T* dp) const {
    const std::int32_t query = part.tile.queries[static_cast<std::size_t>(i)];
    // A query that sees nothing has log_sum_exp = -infinity; its weights are 0.
    const T shift = log_sum_exp_[query] == -kInfinity<T> ? kInfinity<T> : log_sum_exp_[query];
    const ListRange seen = detail::mark_seen<T>(part, i, p);
    const std::int64_t columns = seen.end - seen.begin, first = first_element_ + query * sizes_.keys;
    loops<T>().exp_sum(p + seen.begin, T{1}, shift, p + seen.begin, columns);
    if (visibility_.dropout) detail::drop_listed<T>(*visibility_.dropout, first, part.keys(), seen, dp);
    loops<T>().softmax_gradient(p + seen.begin, delta_[0][query], dp + seen.begin, columns);
    if (visibility_.dropout) detail::drop_listed<T>(*visibility_.dropout, first, part.keys(), seen, p);
    detail::clear_outside<T>(seen, part.width(), p);
    detail::clear_outside<T>(seen, part.width(), dp);
  }

  /// The rows of `sums` that the part's keys name += weightsᵀ · x.
  static void add_to_keys(const TilePart& part, std::int64_t columns, MatrixView<const T> weights, MatrixView<const T> x,
                          std::int64_t count, MatrixView<T> room, MatrixView<T> sums) {
    const bool in_place = detail::are_consecutive(part.keys());
    const MatrixView<T> target = in_place ? sums.from(part.keys().front()) : room;
    multiply<T>(part.width(), columns, count, Factor<T>::transposed(weights), x, in_place, target);
    if (!in_place) detail::scatter_add_rows<T>(part.keys(), columns, room, sums);
  }

  const AttentionSizes& sizes_;
  const AttentionVisibility& visibility_;
  MatrixView<const T> key_, value_;
  std::int64_t first_element_;
  const T* log_sum_exp_;
  ScratchMatrix<T> scaled_q_, g_, delta_, dq_, dk_, dv_, k_, turned_k_, turned_v_, v_, own_dk_, own_dv_;
  TileRoom<T> q_, own_g_, own_dq_, p_, dp_;
};

}  // namespace

template <class T>
void sparse_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const SparsePattern& pattern, T scale, Heads<const T> query, Heads<const T> key,
                              Heads<const T> value, Heads<T> out, T* log_sum_exp) {
  check_sizes(sizes, visibility);
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    ForwardHead<T> head(sizes, visibility, rows_of(key, b, h), rows_of(value, b, h), task * sizes.queries * sizes.keys);
    head.load_queries(rows_of(query, b, h), scale);
    pattern.for_each_tile(SparseItem(sizes, visibility, b), h, [&](const SparseTile& tile) { head.add(tile); });
    head.finish(rows_of(out, b, h), log_sum_exp + task * sizes.queries);
  });
}

template <class T>
void sparse_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const SparsePattern& pattern, T scale, Heads<const T> query, Heads<const T> key,
                               Heads<const T> value, Heads<const T> out, const T* log_sum_exp, Heads<const T> dout,
                               const Gradient<T>& dquery, const Gradient<T>& dkey, const Gradient<T>& dvalue) {
  check_sizes(sizes, visibility);
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    BackwardHead<T> head(sizes, visibility, rows_of(key, b, h), rows_of(value, b, h), task * sizes.queries * sizes.keys,
                         log_sum_exp + task * sizes.queries);
    head.load(rows_of(query, b, h), scale, rows_of(out, b, h), rows_of(dout, b, h));
    pattern.for_each_tile(SparseItem(sizes, visibility, b), h, [&](const SparseTile& tile) { head.add(tile); });
    head.finish(scale, rows_of(written.query.heads(), b, h), rows_of(written.key.heads(), b, h),
                rows_of(written.value.heads(), b, h));
  });
  written.finish();
}

#define COSFORMER_INSTANTIATE(T)                                                                                         \
  template void sparse_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, const SparsePattern&, T,  \
                                            Heads<const T>, Heads<const T>, Heads<const T>, Heads<T>, T*);               \
  template void sparse_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&, const SparsePattern&, T, \
                                             Heads<const T>, Heads<const T>, Heads<const T>, Heads<const T>, const T*,   \
                                             Heads<const T>, const Gradient<T>&, const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
