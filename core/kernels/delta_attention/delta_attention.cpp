#include "core/kernels/delta_attention/delta_attention.h"

#include <algorithm>

#include "core/error.h"
#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/attention_tiles.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

using detail::copy_rows;
using detail::Factor;
using detail::mask_of;
using detail::MatrixView;
using detail::multiply;
using detail::rows_of;
using detail::ScratchMatrix;
using detail::transpose;
using detail::zero_rows;

/// Rows of a chunk.
constexpr std::int64_t kChunk = 64;

void check_arguments(const AttentionSizes& sizes, const AttentionVisibility& visibility) {
  check<ShapeError>(visibility.causal && sizes.queries == sizes.keys,
                    "[delta attention] is causal, with as many keys as queries");
  check<ShapeError>(visibility.window < 0, "[delta attention] a window is not supported");
  check<ShapeError>(sizes.head_dim >= 1 && sizes.value_dim >= 1,
                    "[delta attention] head_dim and value_dim must be at least 1");
}

/// One head of one item.
template <class T>
struct DeltaHead {
  std::int64_t length, D, E;
  T scale;
  MatrixView<const T> query, key, value;
  MatrixView<const T> beta;  ///< one column
  const std::uint8_t* key_mask;

  bool masked(std::int64_t t) const { return key_mask != nullptr && key_mask[t] == 0; }
  const std::uint8_t* mask_from(std::int64_t t) const { return key_mask == nullptr ? nullptr : key_mask + t; }
};

/// A chunk of a head, and what its rows do to each other.
template <class T>
struct DeltaChunk {
  DeltaChunk(std::int64_t D, std::int64_t E)
      : key(kChunk, D),
        value(kChunk, E),
        beta(1, kChunk),
        turned_key(D, kChunk),
        similar(kChunk, kChunk),
        scores(kChunk, kChunk),
        errors(kChunk, E),
        corrections(kChunk, E) {}

  ScratchMatrix<T> key, value, beta, turned_key;
  ScratchMatrix<T> similar;      ///< k_t · k_s for s < t, 0 elsewhere
  ScratchMatrix<T> scores;       ///< q_t · k_s for s ≤ t, 0 elsewhere
  ScratchMatrix<T> errors;       ///< v_t − k_t S, S the state before the chunk
  ScratchMatrix<T> corrections;  ///< u_t

  /// Reads rows [begin, begin + count) and solves for their corrections.
  void load(const DeltaHead<T>& head, std::int64_t begin, std::int64_t count, MatrixView<const T> state) {
    const std::int64_t D = head.D, E = head.E;
    copy_rows(count, D, head.key.from(begin), head.mask_from(begin), key.view());
    copy_rows(count, E, head.value.from(begin), head.mask_from(begin), value.view());
    for (std::int64_t t = 0; t < count; ++t) beta[0][t] = head.masked(begin + t) ? T{0} : *head.beta[begin + t];
    transpose<T>(count, D, key.view(), turned_key.view());
    multiply<T>(count, count, D, key.view(), turned_key.view(), false, similar.view());
    multiply<T>(count, count, D, head.query.from(begin), turned_key.view(), false, scores.view());
    for (std::int64_t t = 0; t < count; ++t) {
      std::fill(similar[t] + t, similar[t] + count, T{0});
      std::fill(scores[t] + t + 1, scores[t] + count, T{0});
    }
    multiply<T>(count, E, D, key.view(), state, false, errors.view());
    for (std::int64_t t = 0; t < count; ++t) {
      for (std::int64_t e = 0; e < E; ++e) errors[t][e] = value[t][e] - errors[t][e];
      T* own = corrections[t];
      std::copy_n(errors[t], E, own);
      for (std::int64_t s = 0; s < t; ++s) loops<T>().add_scaled(-similar[t][s], corrections[s], own, E);
      loops<T>().scale(beta[0][t], own, own, E);
    }
  }

  /// state += Kᵀ U
  void advance(std::int64_t count, std::int64_t D, std::int64_t E, MatrixView<T> state) const {
    multiply<T>(D, E, count, Factor<T>::transposed(key.view()), corrections.view(), true, state);
  }
};

template <class T>
void forward_head(const DeltaHead<T>& head, MatrixView<T> out) {
  const std::int64_t D = head.D, E = head.E;
  DeltaChunk<T> chunk(D, E);
  ScratchMatrix<T> state(D, E);
  state.fill_zero();
  const ScratchMatrix<T> sums(kChunk, E);
  for (std::int64_t begin = 0; begin < head.length; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, head.length - begin);
    chunk.load(head, begin, count, state.view());
    multiply<T>(count, E, D, head.query.from(begin), state.view(), false, sums.view());
    multiply<T>(count, E, count, chunk.scores.view(), chunk.corrections.view(), true, sums.view());
    for (std::int64_t t = 0; t < count; ++t) loops<T>().scale(head.scale, sums[t], out[begin + t], E);
    chunk.advance(count, D, E, state.view());
  }
}

/// Where the gradients of one head go.
template <class T>
struct DeltaGradients {
  MatrixView<T> query, key, value, beta;
};

/// One pass from the start for the states before each chunk, one from the end with the gradient of the state behind.
template <class T>
void backward_head(const DeltaHead<T>& head, MatrixView<const T> dout, const DeltaGradients<T>& gradients) {
  const std::int64_t D = head.D, E = head.E;
  const std::int64_t chunks = (head.length + kChunk - 1) / kChunk;
  DeltaChunk<T> chunk(D, E);
  ScratchMatrix<T> states(chunks * D, E), dstate(D, E);
  zero_rows(chunks > 0 ? D : 0, E, states.view());
  for (std::int64_t i = 0; i + 1 < chunks; ++i) {
    chunk.load(head, i * kChunk, kChunk, states.from(i * D));
    copy_rows<T>(D, E, states.from(i * D), nullptr, states.from((i + 1) * D));
    chunk.advance(kChunk, D, E, states.from((i + 1) * D));
  }
  dstate.fill_zero();
  const ScratchMatrix<T> g(kChunk, E), du(kChunk, E), turned_state(E, D), turned_u(E, kChunk), products(kChunk, kChunk),
      dscores(kChunk, kChunk), dkeys(kChunk, D), dqueries(kChunk, D);
  for (std::int64_t i = chunks - 1; i >= 0; --i) {
    const std::int64_t begin = i * kChunk, count = std::min(kChunk, head.length - begin);
    const MatrixView<T> state = states.from(i * D);
    chunk.load(head, begin, count, state);
    for (std::int64_t t = 0; t < count; ++t) loops<T>().scale(head.scale, dout[begin + t], g[t], E);
    multiply<T>(count, E, D, chunk.key.view(), dstate.view(), false, du.view());
    multiply<T>(count, E, count, Factor<T>::transposed(chunk.scores.view()), g.view(), true, du.view());
    // Back substitution: du becomes the gradient of the right-hand sides β ∘ (v − k S).
    for (std::int64_t t = count - 1; t >= 0; --t) {
      for (std::int64_t s = 0; s < t; ++s) {
        loops<T>().add_scaled(-chunk.beta[0][t] * chunk.similar[t][s], du[t], du[s], E);
      }
    }
    transpose<T>(count, E, chunk.corrections.view(), turned_u.view());
    multiply<T>(count, count, E, du.view(), turned_u.view(), false, products.view());
    multiply<T>(count, count, E, g.view(), turned_u.view(), false, dscores.view());
    for (std::int64_t t = 0; t < count; ++t) {
      const T beta = chunk.beta[0][t];
      const T own = loops<T>().dot(du[t], chunk.errors[t], E) - loops<T>().dot(products[t], chunk.similar[t], t);
      *gradients.beta[begin + t] = head.masked(begin + t) ? T{0} : own;
      std::fill(dscores[t] + t + 1, dscores[t] + count, T{0});
      std::fill(products[t] + t, products[t] + count, T{0});
      for (std::int64_t s = 0; s < t; ++s) products[t][s] *= -beta;
      // From here on du holds β times the gradient, which is that of v − k S.
      loops<T>().scale(beta, du[t], du[t], E);
    }
    copy_rows<T>(count, E, du.view(), head.mask_from(begin), gradients.value.from(begin));

    transpose<T>(D, E, state, turned_state.view());
    multiply<T>(count, D, E, g.view(), turned_state.view(), false, dqueries.view());
    multiply<T>(count, D, count, dscores.view(), chunk.key.view(), true, dqueries.view());
    copy_rows<T>(count, D, dqueries.view(), nullptr, gradients.query.from(begin));

    multiply<T>(count, D, E, du.view(), turned_state.view(), false, dkeys.view());
    for (std::int64_t t = 0; t < count; ++t) loops<T>().scale(T{-1}, dkeys[t], dkeys[t], D);
    multiply<T>(count, D, count, products.view(), chunk.key.view(), true, dkeys.view());
    multiply<T>(count, D, count, Factor<T>::transposed(products.view()), chunk.key.view(), true, dkeys.view());
    multiply<T>(count, D, count, Factor<T>::transposed(dscores.view()), head.query.from(begin), true, dkeys.view());
    transpose<T>(D, E, dstate.view(), turned_state.view());
    multiply<T>(count, D, E, chunk.corrections.view(), turned_state.view(), true, dkeys.view());
    copy_rows<T>(count, D, dkeys.view(), head.mask_from(begin), gradients.key.from(begin));

    // dS += Qᵀ g − Kᵀ du
    multiply<T>(D, E, count, Factor<T>::transposed(head.query.from(begin)), g.view(), true, dstate.view());
    for (std::int64_t t = 0; t < count; ++t) loops<T>().scale(T{-1}, du[t], du[t], E);
    multiply<T>(D, E, count, Factor<T>::transposed(chunk.key.view()), du.view(), true, dstate.view());
  }
}

template <class T, class Visit>
void for_each_head(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale, const Heads<const T>& query,
                   const Heads<const T>& key, const Heads<const T>& value, const T* beta, Visit&& visit) {
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    visit(b, h,
          DeltaHead<T>{sizes.queries, sizes.head_dim, sizes.value_dim, scale, rows_of(query, b, h), rows_of(key, b, h),
                       rows_of(value, b, h), MatrixView<const T>{beta + b * sizes.keys * sizes.heads + h, sizes.heads},
                       mask_of(visibility, sizes, b)});
  });
}

}  // namespace

template <class T>
void delta_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                             Heads<const T> query, Heads<const T> key, Heads<const T> value, const T* beta, Heads<T> out) {
  check_arguments(sizes, visibility);
  for_each_head<T>(
      sizes, visibility, scale, query, key, value, beta,
      [&](std::int64_t b, std::int64_t h, const DeltaHead<T>& head) { forward_head(head, rows_of(out, b, h)); });
}

template <class T>
void delta_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                              Heads<const T> query, Heads<const T> key, Heads<const T> value, const T* beta,
                              Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                              const Gradient<T>& dvalue, const Gradient<T>& dbeta) {
  check_arguments(sizes, visibility);
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  const detail::WrittenGradient<T> betas(dbeta, sizes.batch, sizes.keys, sizes.heads, 1);
  for_each_head<T>(sizes, visibility, scale, query, key, value, beta,
                   [&](std::int64_t b, std::int64_t h, const DeltaHead<T>& head) {
                     backward_head<T>(head, rows_of(dout, b, h),
                                      {rows_of(written.query.heads(), b, h), rows_of(written.key.heads(), b, h),
                                       rows_of(written.value.heads(), b, h), rows_of(betas.heads(), b, h)});
                   });
  written.finish();
  betas.finish();
}

template <class T>
void delta_attention_step(const AttentionSizes& sizes, T scale, Heads<const T> query, Heads<const T> key,
                          Heads<const T> value, const T* beta, T* state, Heads<T> out) {
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    const MatrixView<T> own{state + i * D * E, E};
    const T *k = key.rows(b, h), *q = query.rows(b, h);
    const ScratchMatrix<T> correction(1, E);
    std::copy_n(value.rows(b, h), E, correction[0]);
    for (std::int64_t d = 0; d < D; ++d) loops<T>().add_scaled(-k[d], own[d], correction[0], E);
    loops<T>().scale(beta[i], correction[0], correction[0], E);
    T* o = out.rows(b, h);
    std::fill_n(o, E, T{0});
    for (std::int64_t d = 0; d < D; ++d) {
      loops<T>().add_scaled(k[d], correction[0], own[d], E);
      loops<T>().add_scaled(scale * q[d], own[d], o, E);
    }
  });
}

std::int64_t delta_attention_working_size(std::int64_t length, std::int64_t head_dim, std::int64_t value_dim) {
  const std::int64_t chunks = (length + kChunk - 1) / kChunk;
  return (chunks + 2) * head_dim * value_dim + kChunk * (4 * kChunk + 4 * head_dim + 7 * value_dim);
}

#define COSFORMER_INSTANTIATE(T)                                                                                            \
  template void delta_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,            \
                                           Heads<const T>, Heads<const T>, const T*, Heads<T>);                             \
  template void delta_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,           \
                                            Heads<const T>, Heads<const T>, const T*, Heads<const T>, const Gradient<T>&,   \
                                            const Gradient<T>&, const Gradient<T>&, const Gradient<T>&);                    \
  template void delta_attention_step<T>(const AttentionSizes&, T, Heads<const T>, Heads<const T>, Heads<const T>, const T*, \
                                        T*, Heads<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
