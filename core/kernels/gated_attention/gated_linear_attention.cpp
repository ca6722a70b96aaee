#include "core/kernels/gated_attention/gated_linear_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/recurrent_checks.h"
#include "core/kernels/gated_attention/chunk.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::close_state;
using detail::Factor;
using detail::gate_queries;
using detail::GatedChunk;
using detail::GatedHead;
using detail::kChunk;
using detail::kGateRoot;
using detail::mask_of;
using detail::MatrixView;
using detail::multiply;
using detail::multiply_row;
using detail::open_gate;
using detail::rows_of;
using detail::score_keys;
using detail::ScratchMatrix;
using detail::state_of_head;
using detail::transpose;

template <class T>
void forward_head(const GatedHead<T>& head, MatrixView<T> out, MatrixView<T> behind) {
  const std::int64_t D = head.D, E = head.E;
  const GatedChunk<T> chunk(D, E);
  const ScratchMatrix<T> state(D, E);
  detail::begin_state<T>(D, E, head.before, state.view());
  const ScratchMatrix<T> gated(kChunk, D), at_end(kChunk, D), sums(kChunk, E);
  for (std::int64_t begin = 0; begin < head.length; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, head.length - begin);
    head.load(begin, count, chunk);
    gate_queries(chunk, count, D, gated.view());
    score_keys(chunk, count, D, at_end.view());
    multiply<T>(count, E, D, gated.view(), state.view(), false, sums.view());
    multiply<T>(count, E, count, chunk.scores.view(), chunk.value.view(), true, sums.view());
    detail::copy_rows<T>(count, E, sums.view(), nullptr, out.from(begin));
    close_state(chunk, count, D, E, state.view());
    multiply<T>(D, E, count, Factor<T>::transposed(at_end.view()), chunk.value.view(), true, state.view());
  }
  detail::end_state<T>(D, E, state.view(), behind);
}

/// dquery, from the state before each chunk: one pass from the start.
template <class T>
void query_gradient(const GatedHead<T>& head, MatrixView<const T> dout, MatrixView<T> dquery) {
  const std::int64_t D = head.D, E = head.E;
  const GatedChunk<T> chunk(D, E);
  const ScratchMatrix<T> state(D, E);
  detail::begin_state<T>(D, E, head.before, state.view());
  const ScratchMatrix<T> turned_state(E, D), turned_value(E, kChunk), dscores(kChunk, kChunk), at_end(kChunk, D),
      sums(kChunk, D);
  for (std::int64_t begin = 0; begin < head.length; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, head.length - begin);
    head.load(begin, count, chunk);
    transpose<T>(D, E, state.view(), turned_state.view());
    transpose<T>(count, E, chunk.value.view(), turned_value.view());
    multiply<T>(count, count, E, dout.from(begin), turned_value.view(), false, dscores.view());
    multiply<T>(count, D, E, dout.from(begin), turned_state.view(), false, sums.view());
    std::fill_n(chunk.moved[0], D, T{1});
    for (std::int64_t i = 0; i < count; ++i) {
      multiply_row(chunk.alpha[i], chunk.moved[0], D);
      multiply_row(chunk.moved[0], sums[i], D);
    }
    for (std::int64_t j = 0; j < count; ++j) {
      T* moved = at_end[j];
      std::copy_n(chunk.key[j], D, moved);
      for (std::int64_t i = j; i < count; ++i) {
        if (i > j) multiply_row(chunk.alpha[i], moved, D);
        loops<T>().add_scaled(dscores[i][j], moved, sums[i], D);
      }
    }
    for (std::int64_t i = 0; i < count; ++i) loops<T>().scale(head.scale, sums[i], dquery[begin + i], D);
    close_state(chunk, count, D, E, state.view());
    multiply<T>(D, E, count, Factor<T>::transposed(at_end.view()), chunk.value.view(), true, state.view());
  }
}

/// dkey, dvalue and dgate, from the later queries' state Σ q̃ᵀ dout: one pass from the end.
///
/// With b_t = Σ_(s ≤ t) log α_s the output depends on q_t exp(b_t) and k_t exp(−b_t) alone, so that dL/db_t = q_t∘dq_t −
/// k_t∘dk_t and dL/dlog α_t is the sum of these from t on.
template <class T>
void key_value_gate_gradient(const GatedHead<T>& head, MatrixView<const T> dout, MatrixView<const T> dquery,
                             MatrixView<T> dkey, MatrixView<T> dvalue, MatrixView<T> dgate) {
  const std::int64_t D = head.D, E = head.E;
  const GatedChunk<T> chunk(D, E);
  ScratchMatrix<T> state(D, E);
  state.fill_zero();
  const ScratchMatrix<T> turned_state(E, D), turned_value(E, kChunk), dscores(kChunk, kChunk), gated(kChunk, D),
      at_end(kChunk, D), dkeys(kChunk, D), dvalues(kChunk, E);
  std::vector<double> rest(static_cast<std::size_t>(D));
  for (std::int64_t begin = (head.length - 1) / kChunk * kChunk; begin >= 0; begin -= kChunk) {
    const std::int64_t count = std::min(kChunk, head.length - begin);
    head.load(begin, count, chunk);
    transpose<T>(D, E, state.view(), turned_state.view());
    transpose<T>(count, E, chunk.value.view(), turned_value.view());
    multiply<T>(count, count, E, dout.from(begin), turned_value.view(), false, dscores.view());
    // What later chunks' queries read of the keys, moved on to the chunk's end.
    multiply<T>(count, D, E, chunk.value.view(), turned_state.view(), false, dkeys.view());
    std::fill_n(chunk.moved[0], D, T{1});
    for (std::int64_t j = count - 1; j >= 0; --j) {
      multiply_row(chunk.moved[0], dkeys[j], D);
      multiply_row(chunk.alpha[j], chunk.moved[0], D);
    }
    score_keys(chunk, count, D, at_end.view());
    multiply<T>(count, E, D, at_end.view(), state.view(), false, dvalues.view());
    multiply<T>(count, E, count, Factor<T>::transposed(chunk.scores.view()), dout.from(begin), true, dvalues.view());
    for (std::int64_t i = 0; i < count; ++i) {
      T* moved = gated[i];
      std::copy_n(chunk.query[i], D, moved);
      for (std::int64_t j = i; j >= 0; --j) {
        loops<T>().add_scaled(dscores[i][j], moved, dkeys[j], D);
        multiply_row(chunk.alpha[j], moved, D);
      }
    }
    for (std::int64_t t = count - 1; t >= 0; --t) {
      const T *q = head.query[begin + t], *dq = dquery[begin + t], *k = chunk.key[t], *dk = dkeys[t];
      for (std::int64_t d = 0; d < D; ++d) {
        double& sum = rest[static_cast<std::size_t>(d)];
        sum +=
            static_cast<double>(q[d]) * static_cast<double>(dq[d]) - static_cast<double>(k[d]) * static_cast<double>(dk[d]);
        dgate[begin + t][d] = static_cast<T>(sum / kGateRoot) * (1 - chunk.sigmoid[t][d]);
      }
    }
    const std::uint8_t* mask = head.key_mask == nullptr ? nullptr : head.key_mask + begin;
    detail::copy_rows<T>(count, D, dkeys.view(), mask, dkey.from(begin));
    detail::copy_rows<T>(count, E, dvalues.view(), mask, dvalue.from(begin));
    for (std::int64_t t = 0; t < count; ++t) {
      if (head.masked(begin + t)) std::fill_n(dgate[begin + t], D, T{0});
    }
    close_state(chunk, count, D, E, state.view());
    multiply<T>(D, E, count, Factor<T>::transposed(gated.view()), dout.from(begin), true, state.view());
  }
}

template <class T, class Visit>
void for_each_head(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale, const Heads<const T>& query,
                   const Heads<const T>& key, const Heads<const T>& value, const Heads<const T>& gate, const T* before,
                   Visit&& visit) {
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    visit(b, h,
          GatedHead<T>{sizes.queries, sizes.head_dim, sizes.value_dim, scale, rows_of(query, b, h), rows_of(key, b, h),
                       rows_of(value, b, h), rows_of(gate, b, h), mask_of(visibility, sizes, b),
                       state_of_head(before, i, sizes.head_dim, sizes.value_dim)});
  });
}

}  // namespace

template <class T>
void gated_linear_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                    Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                                    Heads<T> out, const EndStates<T>& ends) {
  detail::check_recurrence("gated linear attention", sizes, visibility);
  for_each_head<T>(sizes, visibility, scale, query, key, value, gate, ends.before,
                   [&](std::int64_t b, std::int64_t h, const GatedHead<T>& head) {
                     forward_head(head, rows_of(out, b, h),
                                  state_of_head(ends.behind, b * sizes.heads + h, sizes.head_dim, sizes.value_dim));
                   });
}

template <class T>
void gated_linear_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                     Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                                     Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                                     const Gradient<T>& dvalue, const Gradient<T>& dgate, const T* before) {
  detail::check_recurrence("gated linear attention", sizes, visibility);
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  const detail::WrittenGradient<T> gates(dgate, sizes.batch, sizes.keys, sizes.heads, sizes.head_dim);
  for_each_head<T>(sizes, visibility, scale, query, key, value, gate, before,
                   [&](std::int64_t b, std::int64_t h, const GatedHead<T>& head) {
                     const MatrixView<T> dq = rows_of(written.query.heads(), b, h);
                     query_gradient<T>(head, rows_of(dout, b, h), dq);
                     key_value_gate_gradient<T>(head, rows_of(dout, b, h), dq, rows_of(written.key.heads(), b, h),
                                                rows_of(written.value.heads(), b, h), rows_of(gates.heads(), b, h));
                   });
  written.finish();
  gates.finish();
}

template <class T>
void gated_linear_attention_step(const AttentionSizes& sizes, T scale, Heads<const T> query, Heads<const T> key,
                                 Heads<const T> value, Heads<const T> gate, T* state, Heads<T> out) {
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    const ScratchMatrix<T> sigmoid(1, D), alpha(1, D);
    const MatrixView<T> own{state + i * D * E, E};
    open_gate<T>(gate.rows(b, h), D, sigmoid[0], alpha[0]);
    T* o = out.rows(b, h);
    std::fill_n(o, E, T{0});
    for (std::int64_t d = 0; d < D; ++d) {
      loops<T>().scale(alpha[0][d], own[d], own[d], E);
      loops<T>().add_scaled(key.rows(b, h)[d], value.rows(b, h), own[d], E);
      loops<T>().add_scaled(scale * query.rows(b, h)[d], own[d], o, E);
    }
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                            \
  template void gated_linear_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,     \
                                                  Heads<const T>, Heads<const T>, Heads<const T>, Heads<T>,                 \
                                                  const EndStates<T>&);                                                     \
  template void gated_linear_attention_backward<T>(                                                                         \
      const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>, Heads<const T>, Heads<const T>, Heads<const T>, \
      Heads<const T>, const Gradient<T>&, const Gradient<T>&, const Gradient<T>&, const Gradient<T>&, const T*);            \
  template void gated_linear_attention_step<T>(const AttentionSizes&, T, Heads<const T>, Heads<const T>, Heads<const T>,    \
                                               Heads<const T>, T*, Heads<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
