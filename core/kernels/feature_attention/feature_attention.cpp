#include "core/kernels/feature_attention/feature_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/feature_attention/chunk.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::Factor;
using detail::FeatureChunk;
using detail::FeatureHead;
using detail::kFeatureChunk;
using detail::MatrixView;
using detail::multiply;
using detail::rows_of;
using detail::ScratchMatrix;
using detail::state_of_head;
using detail::transpose;

/// Calls visit(begin, count) for the chunks of a length, the last one first if `backwards`.
template <class Visit>
void for_each_chunk(std::int64_t length, bool backwards, Visit&& visit) {
  const std::int64_t chunks = (length + kFeatureChunk - 1) / kFeatureChunk;
  for (std::int64_t i = 0; i < chunks; ++i) {
    const std::int64_t begin = (backwards ? chunks - 1 - i : i) * kFeatureChunk;
    visit(begin, std::min(kFeatureChunk, length - begin));
  }
}

/// Sums of queries' rows, divided by their last column.
template <class T>
void write_outputs(const FeatureHead<T>& head, std::int64_t begin, std::int64_t count, MatrixView<const T> sums,
                   MatrixView<T> out, T* normalizer) {
  for (std::int64_t i = 0; i < count; ++i) {
    normalizer[begin + i] = sums[i][head.E];
    loops<T>().scale(1 / std::max(sums[i][head.E], head.floor), sums[i], out[begin + i], head.E);
  }
}

template <class T>
void forward_head(const FeatureHead<T>& head, bool causal, MatrixView<T> out, T* normalizer, MatrixView<T> behind) {
  const std::int64_t D = head.D, E = head.E;
  FeatureChunk<T> chunk(D, E);
  const ScratchMatrix<T> state(D, E + 1);
  detail::begin_state<T>(D, E + 1, head.before, state.view());
  const ScratchMatrix<T> sums(kFeatureChunk, E + 1);
  if (!causal) {
    for_each_chunk(head.keys, false, [&](std::int64_t begin, std::int64_t count) {
      head.load(begin, count, chunk);
      head.add_to(count, chunk, state.view());
    });
  }
  for_each_chunk(head.queries, false, [&](std::int64_t begin, std::int64_t count) {
    if (!causal) {
      multiply<T>(count, E + 1, D, head.query.from(begin), state.view(), false, sums.view());
      return write_outputs<T>(head, begin, count, sums.view(), out, normalizer);
    }
    head.load(begin, count, chunk);
    head.move(count, D, chunk, true, head.query.from(begin), chunk.moved.view());
    multiply<T>(count, E + 1, D, chunk.moved.view(), state.view(), false, sums.view());
    multiply<T>(count, count, D, head.query.from(begin), chunk.turned_key.view(), false, chunk.scores.view());
    head.weigh(count, chunk);
    head.apply_weights(count, chunk);
    multiply<T>(count, E + 1, count, chunk.scores.view(), chunk.value.view(), true, sums.view());
    write_outputs<T>(head, begin, count, sums.view(), out, normalizer);
    head.add_to(count, chunk, state.view());
  });
  detail::end_state<T>(D, E + 1, state.view(), behind);
}

/// The gradient of the sums and their normaliser, rows of E + 1.
template <class T>
class SumGradients {
 public:
  SumGradients(const FeatureHead<T>& head, MatrixView<const T> out, const T* normalizer, MatrixView<const T> dout)
      : head_(head), out_(out), normalizer_(normalizer), dout_(dout), rows_(kFeatureChunk, head.E + 1) {}

  MatrixView<T> load(std::int64_t begin, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const T sum = normalizer_[begin + i], inverse = 1 / std::max(sum, head_.floor);
      loops<T>().scale(inverse, dout_[begin + i], rows_[i], head_.E);
      rows_[i][head_.E] = sum > head_.floor ? -loops<T>().dot(dout_[begin + i], out_[begin + i], head_.E) * inverse : T{0};
    }
    return rows_.view();
  }

 private:
  const FeatureHead<T>& head_;
  MatrixView<const T> out_;
  const T* normalizer_;
  MatrixView<const T> dout_;
  ScratchMatrix<T> rows_;
};

/// dquery, from the state of the keys: one pass from the start. Without causal, the state of all keys is left in `state`.
template <class T>
void query_gradient(const FeatureHead<T>& head, bool causal, SumGradients<T>& sums, FeatureChunk<T>& chunk,
                    MatrixView<T> dquery) {
  const std::int64_t D = head.D, E = head.E;
  const ScratchMatrix<T> state(D, E + 1);
  detail::begin_state<T>(D, E + 1, head.before, state.view());
  const ScratchMatrix<T> turned_state(E + 1, D), turned_value(E + 1, kFeatureChunk), rows(kFeatureChunk, D);
  if (!causal) {
    for_each_chunk(head.keys, false, [&](std::int64_t begin, std::int64_t count) {
      head.load(begin, count, chunk);
      head.add_to(count, chunk, state.view());
    });
    transpose<T>(D, E + 1, state.view(), turned_state.view());
  }
  for_each_chunk(head.queries, false, [&](std::int64_t begin, std::int64_t count) {
    const MatrixView<T> dsums = sums.load(begin, count);
    if (causal) {
      head.load(begin, count, chunk);
      transpose<T>(D, E + 1, state.view(), turned_state.view());
    }
    multiply<T>(count, D, E + 1, dsums, turned_state.view(), false, rows.view());
    if (causal) {
      head.move(count, D, chunk, true, rows.view(), rows.view());
      transpose<T>(count, E + 1, chunk.value.view(), turned_value.view());
      multiply<T>(count, count, E + 1, dsums, turned_value.view(), false, chunk.scores.view());
      head.weigh(count, chunk);
      head.apply_weights(count, chunk);
      multiply<T>(count, D, count, chunk.scores.view(), chunk.key.view(), true, rows.view());
      head.add_to(count, chunk, state.view());
    }
    detail::copy_rows<T>(count, D, rows.view(), nullptr, dquery.from(begin));
  });
}

/// What later queries' gradients ask of the keys: Σ qᵀ dsums, moved to where a chunk ends.
template <class T>
class QueryState {
 public:
  QueryState(std::int64_t D, std::int64_t E) : D_(D), width_(E + 1), state_(D, E + 1), turned_(E + 1, D) {
    state_.fill_zero();
  }

  void add(std::int64_t count, T left, MatrixView<const T> query, MatrixView<const T> dsums) {
    for (std::int64_t d = 0; d < D_ && left != 1; ++d) loops<T>().scale(left, state_[d], state_[d], width_);
    multiply<T>(D_, width_, count, Factor<T>::transposed(query), dsums, true, state_.view());
  }
  MatrixView<T> view() const { return state_.view(); }
  MatrixView<T> turned() const {
    transpose<T>(D_, width_, state_.view(), turned_.view());
    return turned_.view();
  }

 private:
  std::int64_t D_, width_;
  ScratchMatrix<T> state_, turned_;
};

/// dkey, dvalue and dgate: one pass from the end.
///
/// With b_t = Σ_(s ≤ t) log g_s the sums depend on q_t exp(b_t) and k̃_t exp(−b_t) alone, so that dL/db_t = q_t·dq_t −
/// k̃_t·dk̃_t and dL/dlog g_t is the sum of these from t on.
template <class T>
void key_value_gate_gradient(const FeatureHead<T>& head, bool causal, SumGradients<T>& sums, FeatureChunk<T>& chunk,
                             MatrixView<const T> dquery, MatrixView<T> dkey, MatrixView<T> dvalue, MatrixView<T> dgate) {
  const std::int64_t D = head.D, E = head.E;
  QueryState<T> state(D, E);
  const ScratchMatrix<T> dkeys(kFeatureChunk, D), dvalues(kFeatureChunk, E + 1), turned_value(E + 1, kFeatureChunk);
  double rest = 0;
  if (!causal) {
    for_each_chunk(head.queries, false, [&](std::int64_t begin, std::int64_t count) {
      state.add(count, T{1}, head.query.from(begin), sums.load(begin, count));
    });
  }
  for_each_chunk(head.keys, true, [&](std::int64_t begin, std::int64_t count) {
    head.load(begin, count, chunk);
    multiply<T>(count, D, E + 1, chunk.value.view(), state.turned(), false, dkeys.view());
    multiply<T>(count, E + 1, D, chunk.key.view(), state.view(), false, dvalues.view());
    if (causal) {
      const MatrixView<T> dsums = sums.load(begin, count);
      head.move(count, D, chunk, false, dkeys.view(), dkeys.view());
      head.move(count, E + 1, chunk, false, dvalues.view(), dvalues.view());
      head.weigh(count, chunk);
      multiply<T>(count, count, D, head.query.from(begin), chunk.turned_key.view(), false, chunk.scores.view());
      head.apply_weights(count, chunk);
      multiply<T>(count, E + 1, count, Factor<T>::transposed(chunk.scores.view()), dsums, true, dvalues.view());
      transpose<T>(count, E + 1, chunk.value.view(), turned_value.view());
      multiply<T>(count, count, E + 1, dsums, turned_value.view(), false, chunk.scores.view());
      head.apply_weights(count, chunk);
      multiply<T>(count, D, count, Factor<T>::transposed(chunk.scores.view()), head.query.from(begin), true, dkeys.view());
      head.move(count, D, chunk, true, head.query.from(begin), chunk.moved.view());
      state.add(count, head.total_decay(count, chunk), chunk.moved.view(), dsums);
    }
    for (std::int64_t t = count - 1; t >= 0; --t) {
      const bool hidden = head.masked(begin + t);
      const T added = chunk.added[0][t];
      if (head.gated()) {
        const T dadded = hidden ? T{0} : loops<T>().dot(head.key[begin + t], dkeys[t], D);
        rest += static_cast<double>(loops<T>().dot(head.query[begin + t], dquery[begin + t], D)) -
                static_cast<double>(added * dadded);
        // d log σ(a) / da = 1 - g, and d(1 - g) / da = -g (1 - g).
        dgate[begin + t][0] = hidden ? T{0} : added * (static_cast<T>(rest) - (1 - added) * dadded);
      }
      loops<T>().scale(added, dkeys[t], dkeys[t], D);
    }
    const std::uint8_t* mask = head.key_mask == nullptr ? nullptr : head.key_mask + begin;
    detail::copy_rows<T>(count, D, dkeys.view(), mask, dkey.from(begin));
    detail::copy_rows<T>(count, E, dvalues.view(), mask, dvalue.from(begin));
  });
}

void check_arguments(const AttentionSizes& sizes, const AttentionVisibility& visibility, bool gated, bool carried,
                     double floor) {
  check<ShapeError>(!visibility.causal || sizes.queries == sizes.keys,
                    "[feature attention] causal attention has as many keys as queries");
  check<ShapeError>(visibility.causal || !gated, "[feature attention] only a causal state has a gate");
  check<ShapeError>(visibility.causal || !carried, "[feature attention] only causal attention goes on with a state");
  check<ShapeError>(visibility.window < 0, "[feature attention] a window is not supported");
  check<ShapeError>(floor > 0 && sizes.head_dim >= 1 && sizes.value_dim >= 1,
                    "[feature attention] the floor must be above 0, and head_dim and value_dim at least 1");
}

template <class T>
FeatureHead<T> head_of(const AttentionSizes& sizes, const AttentionVisibility& visibility, T floor,
                       const Heads<const T>& query, const Heads<const T>& key, const Heads<const T>& value,
                       const Heads<const T>& gate, const T* before, std::int64_t b, std::int64_t h) {
  return {sizes.queries,
          sizes.keys,
          sizes.head_dim,
          sizes.value_dim,
          floor,
          rows_of(query, b, h),
          rows_of(key, b, h),
          rows_of(value, b, h),
          gate.data == nullptr ? MatrixView<const T>{} : rows_of(gate, b, h),
          detail::mask_of(visibility, sizes, b),
          state_of_head(before, b * sizes.heads + h, sizes.head_dim, sizes.value_dim + 1)};
}

}  // namespace

template <class T>
void feature_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T floor,
                               Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                               Heads<T> out, T* normalizer, const EndStates<T>& ends) {
  const bool carried = ends.before != nullptr || ends.behind != nullptr;
  check_arguments(sizes, visibility, gate.data != nullptr, carried, static_cast<double>(floor));
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    forward_head(head_of(sizes, visibility, floor, query, key, value, gate, ends.before, b, h), visibility.causal,
                 rows_of(out, b, h), normalizer + i * sizes.queries,
                 state_of_head(ends.behind, i, sizes.head_dim, sizes.value_dim + 1));
  });
}

template <class T>
void feature_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T floor,
                                Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                                Heads<const T> out, const T* normalizer, Heads<const T> dout, const Gradient<T>& dquery,
                                const Gradient<T>& dkey, const Gradient<T>& dvalue, const Gradient<T>& dgate,
                                const T* before) {
  const bool gated = gate.data != nullptr;
  check_arguments(sizes, visibility, gated, before != nullptr, static_cast<double>(floor));
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  const detail::WrittenGradient<T> gates(dgate, gated ? sizes.batch : 0, sizes.keys, sizes.heads, 1);
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    const FeatureHead<T> head = head_of(sizes, visibility, floor, query, key, value, gate, before, b, h);
    SumGradients<T> sums(head, rows_of(out, b, h), normalizer + i * sizes.queries, rows_of(dout, b, h));
    FeatureChunk<T> chunk(sizes.head_dim, sizes.value_dim);
    const MatrixView<T> dq = rows_of(written.query.heads(), b, h);
    query_gradient(head, visibility.causal, sums, chunk, dq);
    key_value_gate_gradient<T>(head, visibility.causal, sums, chunk, dq, rows_of(written.key.heads(), b, h),
                               rows_of(written.value.heads(), b, h), gated ? rows_of(gates.heads(), b, h) : MatrixView<T>{});
  });
  written.finish();
  if (gated) gates.finish();
}

#define COSFORMER_INSTANTIATE(T)                                                                                          \
  template void feature_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,        \
                                             Heads<const T>, Heads<const T>, Heads<const T>, Heads<T>, T*,                \
                                             const EndStates<T>&);                                                        \
  template void feature_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>,       \
                                              Heads<const T>, Heads<const T>, Heads<const T>, Heads<const T>, const T*,   \
                                              Heads<const T>, const Gradient<T>&, const Gradient<T>&, const Gradient<T>&, \
                                              const Gradient<T>&, const T*);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
