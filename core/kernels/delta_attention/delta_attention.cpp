#include "core/kernels/delta_attention/delta_attention.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/recurrent_checks.h"
#include "core/kernels/delta_attention/chunk.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::copy_rows;
using detail::DeltaChunk;
using detail::DeltaHead;
using detail::Factor;
using detail::kDeltaChunk;
using detail::mask_of;
using detail::MatrixView;
using detail::multiply;
using detail::multiply_rows;
using detail::rows_of;
using detail::ScratchMatrix;
using detail::state_of_head;
using detail::transpose;

template <class T>
void forward_head(const DeltaHead<T>& head, MatrixView<T> out, MatrixView<T> behind) {
  const std::int64_t D = head.D, E = head.E;
  DeltaChunk<T> chunk(D, E, head.decays());
  const ScratchMatrix<T> state(D, E);
  detail::begin_state<T>(D, E, head.before, state.view());
  const ScratchMatrix<T> sums(kDeltaChunk, E);
  for (std::int64_t begin = 0; begin < head.length; begin += kDeltaChunk) {
    const std::int64_t count = std::min(kDeltaChunk, head.length - begin);
    chunk.load(head, begin, count, state.view());
    chunk.score(head, begin, count);
    multiply<T>(count, E, D, head.query.from(begin), state.view(), false, sums.view());
    chunk.fade(head, count, E, sums.view());
    multiply<T>(count, E, count, chunk.scores.view(), chunk.corrections.view(), true, sums.view());
    for (std::int64_t t = 0; t < count; ++t) loops<T>().scale(head.scale, sums[t], out[begin + t], E);
    chunk.advance(head, count, state.view());
  }
  detail::end_state<T>(D, E, state.view(), behind);
}

/// Where the gradients of one head go.
template <class T>
struct DeltaGradients {
  MatrixView<T> query, key, value, beta;
  MatrixView<T> decay;  ///< null data without one
};

/// The gradients of one chunk, and what they are made from.
template <class T>
class ChunkGradient {
 public:
  ChunkGradient(const DeltaHead<T>& head, MatrixView<const T> dout, const DeltaGradients<T>& gradients)
      : head_(head),
        dout_(dout),
        gradients_(gradients),
        chunk_(head.D, head.E, head.decays()),
        dstate_(head.D, head.E),
        g_(kDeltaChunk, head.E),
        du_(kDeltaChunk, head.E),
        turned_state_(head.E, head.D),
        turned_u_(head.E, kDeltaChunk),
        products_(kDeltaChunk, kDeltaChunk),
        dscores_(kDeltaChunk, kDeltaChunk),
        dread_(kDeltaChunk, head.D),
        dwritten_(kDeltaChunk, head.D),
        dqueries_(kDeltaChunk, head.D) {
    dstate_.fill_zero();
  }

  DeltaChunk<T>& chunk() { return chunk_; }

  /// The chunk at `begin`, with the state before it. Chunks come from the last to the first.
  void run(std::int64_t begin, std::int64_t count, MatrixView<const T> state) {
    chunk_.load(head_, begin, count, state);
    chunk_.score(head_, begin, count);
    solve(begin, count);
    correction_gradients(begin, count);
    row_gradients(begin, count, state);
    if (head_.decays()) decay_gradient(begin, count);
    // dS becomes e^(b_C) dS + Σ_t e^(b_t) (q_tᵀ g_t − k_tᵀ du_t).
    chunk_.close(head_, count, dstate_.view());
    chunk_.fade(head_, count, head_.E, g_.view());
    chunk_.fade(head_, count, head_.E, du_.view());
    multiply<T>(head_.D, head_.E, count, Factor<T>::transposed(head_.query.from(begin)), g_.view(), true, dstate_.view());
    for (std::int64_t t = 0; t < count; ++t) loops<T>().scale(T{-1}, du_[t], du_[t], head_.E);
    multiply<T>(head_.D, head_.E, count, Factor<T>::transposed(chunk_.key.view()), du_.view(), true, dstate_.view());
  }

 private:
  /// g and, by back substitution, the gradient du of the right-hand sides β ∘ (v − k S).
  void solve(std::int64_t begin, std::int64_t count) {
    const std::int64_t D = head_.D, E = head_.E;
    for (std::int64_t t = 0; t < count; ++t) loops<T>().scale(head_.scale, dout_[begin + t], g_[t], E);
    multiply<T>(count, E, D, chunk_.keys_behind(head_), dstate_.view(), false, du_.view());
    multiply<T>(count, E, count, Factor<T>::transposed(chunk_.scores.view()), g_.view(), true, du_.view());
    for (std::int64_t t = count - 1; t >= 0; --t) {
      for (std::int64_t s = 0; s < t; ++s) {
        loops<T>().add_scaled(-chunk_.beta[0][t] * chunk_.similar[t][s], du_[t], du_[s], E);
      }
    }
  }

  /// The gradients of β and values; products and dscores become those of k_t · k_s and q_t · k_s, and du that of v − k S.
  void correction_gradients(std::int64_t begin, std::int64_t count) {
    const std::int64_t E = head_.E;
    transpose<T>(count, E, chunk_.corrections.view(), turned_u_.view());
    multiply<T>(count, count, E, du_.view(), turned_u_.view(), false, products_.view());
    multiply<T>(count, count, E, g_.view(), turned_u_.view(), false, dscores_.view());
    for (std::int64_t t = 0; t < count; ++t) {
      const T beta = chunk_.beta[0][t];
      const T own = loops<T>().dot(du_[t], chunk_.errors[t], E) - loops<T>().dot(products_[t], chunk_.similar[t], t);
      *gradients_.beta[begin + t] = head_.masked(begin + t) ? T{0} : own;
      std::fill(dscores_[t] + t + 1, dscores_[t] + count, T{0});
      std::fill(products_[t] + t, products_[t] + count, T{0});
      for (std::int64_t s = 0; s < t; ++s) products_[t][s] *= -beta;
      loops<T>().scale(beta, du_[t], du_[t], E);
    }
    copy_rows<T>(count, E, du_.view(), head_.mask_from(begin), gradients_.value.from(begin));
    if (!head_.decays()) return;
    multiply_rows<T>(count, count, chunk_.ratios.view(), products_.view(), products_.view());
    multiply_rows<T>(count, count, chunk_.ratios.view(), dscores_.view(), dscores_.view());
  }

  /// The gradients of queries, and of keys: as tokens that read the state, and as tokens that are written into it.
  void row_gradients(std::int64_t begin, std::int64_t count, MatrixView<const T> state) {
    const std::int64_t D = head_.D, E = head_.E;
    transpose<T>(D, E, state, turned_state_.view());
    multiply<T>(count, D, E, g_.view(), turned_state_.view(), false, dqueries_.view());
    chunk_.fade(head_, count, D, dqueries_.view());
    multiply<T>(count, D, count, dscores_.view(), chunk_.key.view(), true, dqueries_.view());
    copy_rows<T>(count, D, dqueries_.view(), nullptr, gradients_.query.from(begin));

    multiply<T>(count, D, E, du_.view(), turned_state_.view(), false, dread_.view());
    for (std::int64_t t = 0; t < count; ++t) loops<T>().scale(T{-1}, dread_[t], dread_[t], D);
    chunk_.fade(head_, count, D, dread_.view());
    multiply<T>(count, D, count, products_.view(), chunk_.key.view(), true, dread_.view());

    transpose<T>(D, E, dstate_.view(), turned_state_.view());
    multiply<T>(count, D, E, chunk_.corrections.view(), turned_state_.view(), false, dwritten_.view());
    if (head_.decays()) detail::scale_rows<T>(count, D, chunk_.rest[0], dwritten_.view(), dwritten_.view());
    multiply<T>(count, D, count, Factor<T>::transposed(products_.view()), chunk_.key.view(), true, dwritten_.view());
    multiply<T>(count, D, count, Factor<T>::transposed(dscores_.view()), head_.query.from(begin), true, dwritten_.view());
    for (std::int64_t t = 0; t < count; ++t) {
      T* target = gradients_.key[begin + t];
      for (std::int64_t d = 0; d < D; ++d) target[d] = head_.masked(begin + t) ? T{0} : dread_[t][d] + dwritten_[t][d];
    }
  }

  /// With b_t the sum of all log α up to t, the output depends on q_t e^(b_t), on k_t e^(b_t) where it reads and on
  /// k_t e^(−b_t) where it is written alone. The gradient of log α_t is the sum of those of b_s for s ≥ t.
  void decay_gradient(std::int64_t begin, std::int64_t count) {
    for (std::int64_t t = count - 1; t >= 0; --t) {
      const T *q = head_.query[begin + t], *k = chunk_.key[t];
      for (std::int64_t d = 0; d < head_.D; ++d) {
        later_ += static_cast<double>(q[d]) * static_cast<double>(dqueries_[t][d]) +
                  static_cast<double>(k[d]) * (static_cast<double>(dread_[t][d]) - static_cast<double>(dwritten_[t][d]));
      }
      *gradients_.decay[begin + t] = head_.masked(begin + t) ? T{0} : static_cast<T>(later_);
    }
  }

  const DeltaHead<T>& head_;
  MatrixView<const T> dout_;
  const DeltaGradients<T>& gradients_;
  DeltaChunk<T> chunk_;
  ScratchMatrix<T> dstate_;  ///< of the state behind the chunk
  ScratchMatrix<T> g_;       ///< scale · dout
  ScratchMatrix<T> du_, turned_state_, turned_u_, products_, dscores_, dread_, dwritten_, dqueries_;
  double later_ = 0;  ///< Σ of the gradients of b_s for the tokens s so far
};

/// One pass from the start for the states before each chunk, one from the end with the gradient of the state behind.
template <class T>
void backward_head(const DeltaHead<T>& head, MatrixView<const T> dout, const DeltaGradients<T>& gradients) {
  const std::int64_t D = head.D, E = head.E;
  const std::int64_t chunks = (head.length + kDeltaChunk - 1) / kDeltaChunk;
  ChunkGradient<T> gradient(head, dout, gradients);
  const ScratchMatrix<T> states(chunks * D, E);
  detail::begin_state<T>(chunks > 0 ? D : 0, E, head.before, states.view());
  for (std::int64_t i = 0; i + 1 < chunks; ++i) {
    gradient.chunk().load(head, i * kDeltaChunk, kDeltaChunk, states.from(i * D));
    copy_rows<T>(D, E, states.from(i * D), nullptr, states.from((i + 1) * D));
    gradient.chunk().advance(head, kDeltaChunk, states.from((i + 1) * D));
  }
  for (std::int64_t i = chunks - 1; i >= 0; --i) {
    gradient.run(i * kDeltaChunk, std::min(kDeltaChunk, head.length - i * kDeltaChunk), states.from(i * D));
  }
}

template <class T, class Visit>
void for_each_head(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale, const Heads<const T>& query,
                   const Heads<const T>& key, const Heads<const T>& value, const T* beta, const T* decay, const T* before,
                   Visit&& visit) {
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads, first = b * sizes.keys * sizes.heads + h;
    visit(b, h,
          DeltaHead<T>{sizes.queries, sizes.head_dim, sizes.value_dim, scale, rows_of(query, b, h), rows_of(key, b, h),
                       rows_of(value, b, h), MatrixView<const T>{beta + first, sizes.heads},
                       MatrixView<const T>{decay == nullptr ? nullptr : decay + first, sizes.heads},
                       mask_of(visibility, sizes, b), state_of_head(before, i, sizes.head_dim, sizes.value_dim)});
  });
}

}  // namespace

template <class T>
void delta_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                             Heads<const T> query, Heads<const T> key, Heads<const T> value, const T* beta, const T* decay,
                             Heads<T> out, const EndStates<T>& ends) {
  detail::check_recurrence("delta attention", sizes, visibility);
  for_each_head<T>(sizes, visibility, scale, query, key, value, beta, decay, ends.before,
                   [&](std::int64_t b, std::int64_t h, const DeltaHead<T>& head) {
                     forward_head(head, rows_of(out, b, h),
                                  state_of_head(ends.behind, b * sizes.heads + h, sizes.head_dim, sizes.value_dim));
                   });
}

template <class T>
void delta_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                              Heads<const T> query, Heads<const T> key, Heads<const T> value, const T* beta, const T* decay,
                              Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                              const Gradient<T>& dvalue, const Gradient<T>& dbeta, const Gradient<T>& ddecay,
                              const T* before) {
  detail::check_recurrence("delta attention", sizes, visibility);
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  const detail::WrittenGradient<T> betas(dbeta, sizes.batch, sizes.keys, sizes.heads, 1);
  const detail::WrittenGradient<T> decays(ddecay, sizes.batch, decay == nullptr ? 0 : sizes.keys, sizes.heads, 1);
  for_each_head<T>(sizes, visibility, scale, query, key, value, beta, decay, before,
                   [&](std::int64_t b, std::int64_t h, const DeltaHead<T>& head) {
                     backward_head<T>(head, rows_of(dout, b, h),
                                      {rows_of(written.query.heads(), b, h), rows_of(written.key.heads(), b, h),
                                       rows_of(written.value.heads(), b, h), rows_of(betas.heads(), b, h),
                                       decay == nullptr ? MatrixView<T>{} : rows_of(decays.heads(), b, h)});
                   });
  written.finish();
  betas.finish();
  decays.finish();
}

template <class T>
void delta_attention_step(const AttentionSizes& sizes, T scale, Heads<const T> query, Heads<const T> key,
                          Heads<const T> value, const T* beta, const T* decay, T* state, Heads<T> out) {
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    const MatrixView<T> own{state + i * D * E, E};
    const T *k = key.rows(b, h), *q = query.rows(b, h);
    const ScratchMatrix<T> correction(1, E);
    if (decay != nullptr) {
      const T left = std::exp(decay[i]);
      for (std::int64_t d = 0; d < D; ++d) loops<T>().scale(left, own[d], own[d], E);
    }
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
  const std::int64_t chunks = (length + kDeltaChunk - 1) / kDeltaChunk;
  return (chunks + 2) * head_dim * value_dim + kDeltaChunk * (5 * kDeltaChunk + 6 * head_dim + 7 * value_dim);
}

#define COSFORMER_INSTANTIATE(T)                                                                                            \
  template void delta_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,            \
                                           Heads<const T>, Heads<const T>, const T*, const T*, Heads<T>,                    \
                                           const EndStates<T>&);                                                            \
  template void delta_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,           \
                                            Heads<const T>, Heads<const T>, const T*, const T*, Heads<const T>,             \
                                            const Gradient<T>&, const Gradient<T>&, const Gradient<T>&, const Gradient<T>&, \
                                            const Gradient<T>&, const T*);                                                  \
  template void delta_attention_step<T>(const AttentionSizes&, T, Heads<const T>, Heads<const T>, Heads<const T>, const T*, \
                                        const T*, T*, Heads<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
