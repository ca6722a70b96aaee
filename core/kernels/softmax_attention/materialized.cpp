#include "core/kernels/softmax_attention/materialized.h"

#include <algorithm>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/softmax_attention/scores.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

using detail::Factor;
using detail::MatrixView;
using detail::multiply;
using detail::rows_of;
using detail::ScratchMatrix;

/// 1 for keys to which at least one query gives weight. The others are masked or out of sight: what they hold must not
/// be read, as it may be NaN.
template <class T>
void mark_used_keys(std::int64_t queries, std::int64_t keys, MatrixView<const T> probabilities, std::uint8_t* used) {
  std::fill(used, used + keys, std::uint8_t{0});
  for (std::int64_t i = 0; i < queries; ++i) {
    for (std::int64_t j = 0; j < keys; ++j) used[j] = used[j] | static_cast<std::uint8_t>(probabilities[i][j] != 0);
  }
}

/// The weights of a task's queries after dropout.
template <class T>
void drop_weights(const DropoutMask& dropout, std::int64_t task, std::int64_t queries, std::int64_t keys,
                  MatrixView<const T> probabilities, MatrixView<T> kept) {
  for (std::int64_t i = 0; i < queries; ++i) {
    loops<T>().dropout(dropout, (task * queries + i) * keys, probabilities[i], kept[i], keys);
  }
}

}  // namespace

template <class T>
void softmax_attention_materialized_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                            Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<T> out,
                                            T* probabilities) {
  detail::check_softmax_attention(sizes, visibility);
  const std::int64_t length = sizes.queries, S = sizes.keys, D = sizes.head_dim, E = sizes.value_dim;
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    const detail::ItemVisibility item(visibility, sizes, b);
    const MatrixView<T> p{probabilities + task * length * S, S};
    const ScratchMatrix<T> scaled_q(length, D), k(S, D), turned_k(D, S), v(S, E);
    detail::scaled_rows<T>(length, D, scale, rows_of(query, b, h), scaled_q.view());
    detail::copy_rows<T>(S, D, rows_of(key, b, h), item.key_mask, k.view());
    detail::copy_rows<T>(S, E, rows_of(value, b, h), item.key_mask, v.view());
    detail::transpose<T>(S, D, k.view(), turned_k.view());
    multiply<T>(length, S, D, scaled_q.view(), turned_k.view(), false, p);
    detail::subtract_distances(visibility, item, h, {0, length}, {0, S}, p);
    detail::hide_scores(item, {0, length}, {0, S}, p);
    for (std::int64_t i = 0; i < length; ++i) {
      const T largest = loops<T>().max(p[i], S);
      const bool blind = largest == -std::numeric_limits<T>::infinity();
      const T sum = loops<T>().exp_sum(p[i], T{1}, blind ? T{0} : largest, p[i], S);
      if (!blind) loops<T>().scale(1 / sum, p[i], p[i], S);
    }
    const ScratchMatrix<T> kept(visibility.dropout ? length : 0, S);
    if (visibility.dropout) drop_weights<T>(*visibility.dropout, task, length, S, p, kept.view());
    multiply<T>(length, E, S, visibility.dropout ? kept.view() : p, v.view(), false, rows_of(out, b, h));
  });
}

template <class T>
void softmax_attention_materialized_backward(const AttentionSizes& sizes, T scale, Heads<const T> query, Heads<const T> key,
                                             Heads<const T> value, const T* probabilities, Heads<const T> dout, T* scratch,
                                             const Gradient<T>& dquery, const Gradient<T>& dkey, const Gradient<T>& dvalue,
                                             const DropoutMask* dropout) {
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  detail::check_softmax_attention(sizes, {});
  const std::int64_t length = sizes.queries, S = sizes.keys, D = sizes.head_dim, E = sizes.value_dim;
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    const MatrixView<T> dq = rows_of(written.query.heads(), b, h), dk = rows_of(written.key.heads(), b, h),
                        dv = rows_of(written.value.heads(), b, h);
    const MatrixView<const T> p{probabilities + task * length * S, S};
    const MatrixView<T> ds{scratch + task * length * S, S};
    const ScratchMatrix<T> scaled_q(length, D), k(S, D), v(S, E), turned_v(E, S);
    const ScratchMatrix<std::uint8_t> used(1, S);
    mark_used_keys(length, S, p, used.data());
    detail::scaled_rows<T>(length, D, scale, rows_of(query, b, h), scaled_q.view());
    detail::copy_rows<T>(S, D, rows_of(key, b, h), used.data(), k.view());
    detail::copy_rows<T>(S, E, rows_of(value, b, h), used.data(), v.view());
    // `ds` holds the weights after dropout until their product with dout is done.
    if (dropout) drop_weights<T>(*dropout, task, length, S, p, ds);
    multiply<T>(S, E, length, Factor<T>::transposed(dropout ? MatrixView<const T>(ds) : p), rows_of(dout, b, h), false, dv);
    detail::transpose<T>(S, E, v.view(), turned_v.view());
    multiply<T>(length, S, E, rows_of(dout, b, h), turned_v.view(), false, ds);
    if (dropout) drop_weights<T>(*dropout, task, length, S, ds, ds);
    for (std::int64_t i = 0; i < length; ++i) {
      const T delta = loops<T>().dot(p[i], ds[i], S);
      for (std::int64_t j = 0; j < S; ++j) ds[i][j] = p[i][j] * (ds[i][j] - delta);
    }
    multiply<T>(S, D, length, Factor<T>::transposed(ds), scaled_q.view(), false, dk);
    multiply<T>(length, D, S, ds, k.view(), false, dq);
    detail::scaled_rows<T>(length, D, scale, dq, dq);
    // 0 · dout is NaN if dout is not finite; keys out of sight get exactly 0 all the same.
    detail::copy_rows<T>(S, D, dk, used.data(), dk);
    detail::copy_rows<T>(S, E, dv, used.data(), dv);
  });
  written.finish();
}

#define COSFORMER_INSTANTIATE(T)                                                                                         \
  template void softmax_attention_materialized_forward<T>(const AttentionSizes&, const AttentionVisibility&, T,          \
                                                          Heads<const T>, Heads<const T>, Heads<const T>, Heads<T>, T*); \
  template void softmax_attention_materialized_backward<T>(                                                              \
      const AttentionSizes&, T, Heads<const T>, Heads<const T>, Heads<const T>, const T*, Heads<const T>, T*,            \
      const Gradient<T>&, const Gradient<T>&, const Gradient<T>&, const DropoutMask*);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
