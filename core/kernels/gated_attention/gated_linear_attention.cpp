#include "core/kernels/gated_attention/gated_linear_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/attention_tiles.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::Factor;
using detail::mask_of;
using detail::multiply;
using detail::Rows;
using detail::rows_of;
using detail::Scratch;
using detail::transpose;

/// Rows of a chunk. Within it keys are moved on token by token, D multiplications for each pair, between chunks the state
/// is.
constexpr std::int64_t kChunk = 16;

constexpr double kGateRoot = 16;

void check_arguments(const AttentionSizes& sizes, const AttentionVisibility& visibility) {
  check<ShapeError>(visibility.causal && sizes.queries == sizes.keys,
                    "[gated linear attention] is causal, with as many keys as queries");
  check<ShapeError>(visibility.window < 0, "[gated linear attention] a window is not supported");
  check<ShapeError>(sizes.head_dim >= 1 && sizes.value_dim >= 1,
                    "[gated linear attention] head_dim and value_dim must be at least 1");
}

/// σ(z) and α = σ(z)^(1/16), by four square roots.
template <class T>
void open_gate(const T* z, std::int64_t n, T* sigmoid, T* alpha) {
  loops<T>().exp_sum(z, T{-1}, T{0}, sigmoid, n);
  for (std::int64_t d = 0; d < n; ++d) {
    sigmoid[d] = 1 / (1 + sigmoid[d]);
    alpha[d] = std::sqrt(std::sqrt(std::sqrt(std::sqrt(sigmoid[d]))));
  }
}

template <class T>
void multiply_row(const T* x, T* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] *= x[i];
}

/// What a chunk of one head reads.
template <class T>
struct Chunk {
  Chunk(std::int64_t D, std::int64_t E)
      : query(kChunk, D),
        key(kChunk, D),
        value(kChunk, E),
        alpha(kChunk, D),
        sigmoid(kChunk, D),
        moved(1, D),
        scores(kChunk, kChunk) {}

  Scratch<T> query, key, value, alpha, sigmoid;
  Scratch<T> moved;   ///< a row on its way through the chunk
  Scratch<T> scores;  ///< i × j, 0 for j > i
};

/// One head of one item.
template <class T>
struct Head {
  std::int64_t length, D, E;
  T scale;
  Rows<const T> query, key, value, gate;
  const std::uint8_t* key_mask;

  bool masked(std::int64_t t) const { return key_mask != nullptr && key_mask[t] == 0; }

  void load(std::int64_t begin, std::int64_t count, const Chunk<T>& chunk) const {
    for (std::int64_t p = 0; p < count; ++p) {
      loops<T>().scale(scale, query[begin + p], chunk.query[p], D);
      if (masked(begin + p)) {
        std::fill_n(chunk.key[p], D, T{0});
        std::fill_n(chunk.value[p], E, T{0});
        std::fill_n(chunk.alpha[p], D, T{1});
        std::fill_n(chunk.sigmoid[p], D, T{1});
        continue;
      }
      std::copy_n(key[begin + p], D, chunk.key[p]);
      std::copy_n(value[begin + p], E, chunk.value[p]);
      open_gate(gate[begin + p], D, chunk.sigmoid[p], chunk.alpha[p]);
    }
  }
};

/// Rows of queries with what the gates from the chunk's first token on leave of the state that they read.
template <class T>
void gate_queries(const Chunk<T>& chunk, std::int64_t count, std::int64_t D, Rows<T> target) {
  std::fill_n(chunk.moved[0], D, T{1});
  for (std::int64_t i = 0; i < count; ++i) {
    multiply_row(chunk.alpha[i], chunk.moved[0], D);
    for (std::int64_t d = 0; d < D; ++d) target[i][d] = chunk.query[i][d] * chunk.moved[0][d];
  }
}

/// S_d *= what all gates of the chunk leave of channel d.
template <class T>
void close_state(const Chunk<T>& chunk, std::int64_t count, std::int64_t D, std::int64_t E, Rows<T> state) {
  std::fill_n(chunk.moved[0], D, T{1});
  for (std::int64_t i = 0; i < count; ++i) multiply_row(chunk.alpha[i], chunk.moved[0], D);
  for (std::int64_t d = 0; d < D; ++d) loops<T>().scale(chunk.moved[0][d], state[d], state[d], E);
}

/// scores_ij = q_i · (k_j moved on to i), and the keys moved on to the chunk's end.
template <class T>
void score_keys(const Chunk<T>& chunk, std::int64_t count, std::int64_t D, Rows<T> at_end) {
  for (std::int64_t j = 0; j < count; ++j) {
    T* moved = at_end[j];
    std::copy_n(chunk.key[j], D, moved);
    for (std::int64_t i = 0; i < count; ++i) {
      if (i > j) multiply_row(chunk.alpha[i], moved, D);
      chunk.scores[i][j] = i < j ? T{0} : loops<T>().dot(chunk.query[i], moved, D);
    }
  }
}

template <class T>
void forward_head(const Head<T>& head, Rows<T> out) {
  const std::int64_t D = head.D, E = head.E;
  const Chunk<T> chunk(D, E);
  Scratch<T> state(D, E);
  state.fill_zero();
  const Scratch<T> gated(kChunk, D), at_end(kChunk, D), sums(kChunk, E);
  for (std::int64_t begin = 0; begin < head.length; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, head.length - begin);
    head.load(begin, count, chunk);
    gate_queries(chunk, count, D, gated.rows());
    score_keys(chunk, count, D, at_end.rows());
    multiply<T>(count, E, D, gated.rows(), state.rows(), false, sums.rows());
    multiply<T>(count, E, count, chunk.scores.rows(), chunk.value.rows(), true, sums.rows());
    detail::copy_rows<T>(count, E, sums.rows(), nullptr, out.from(begin));
    close_state(chunk, count, D, E, state.rows());
    multiply<T>(D, E, count, Factor<T>::transposed(at_end.rows()), chunk.value.rows(), true, state.rows());
  }
}

/// dquery, from the state before each chunk: one pass from the start.
template <class T>
void query_gradient(const Head<T>& head, Rows<const T> dout, Rows<T> dquery) {
  const std::int64_t D = head.D, E = head.E;
  const Chunk<T> chunk(D, E);
  Scratch<T> state(D, E);
  state.fill_zero();
  const Scratch<T> turned_state(E, D), turned_value(E, kChunk), dscores(kChunk, kChunk), at_end(kChunk, D), sums(kChunk, D);
  for (std::int64_t begin = 0; begin < head.length; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, head.length - begin);
    head.load(begin, count, chunk);
    transpose<T>(D, E, state.rows(), turned_state.rows());
    transpose<T>(count, E, chunk.value.rows(), turned_value.rows());
    multiply<T>(count, count, E, dout.from(begin), turned_value.rows(), false, dscores.rows());
    multiply<T>(count, D, E, dout.from(begin), turned_state.rows(), false, sums.rows());
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
    close_state(chunk, count, D, E, state.rows());
    multiply<T>(D, E, count, Factor<T>::transposed(at_end.rows()), chunk.value.rows(), true, state.rows());
  }
}

/// dkey, dvalue and dgate, from the later queries' state Σ q̃ᵀ dout: one pass from the end.
///
/// With b_t = Σ_(s ≤ t) log α_s the output depends on q_t exp(b_t) and k_t exp(−b_t) alone, so that dL/db_t = q_t∘dq_t −
/// k_t∘dk_t and dL/dlog α_t is the sum of these from t on.
template <class T>
void key_value_gate_gradient(const Head<T>& head, Rows<const T> dout, Rows<const T> dquery, Rows<T> dkey, Rows<T> dvalue,
                             Rows<T> dgate) {
  const std::int64_t D = head.D, E = head.E;
  const Chunk<T> chunk(D, E);
  Scratch<T> state(D, E);
  state.fill_zero();
  const Scratch<T> turned_state(E, D), turned_value(E, kChunk), dscores(kChunk, kChunk), gated(kChunk, D), at_end(kChunk, D),
      dkeys(kChunk, D), dvalues(kChunk, E);
  std::vector<double> rest(static_cast<std::size_t>(D));
  for (std::int64_t begin = (head.length - 1) / kChunk * kChunk; begin >= 0; begin -= kChunk) {
    const std::int64_t count = std::min(kChunk, head.length - begin);
    head.load(begin, count, chunk);
    transpose<T>(D, E, state.rows(), turned_state.rows());
    transpose<T>(count, E, chunk.value.rows(), turned_value.rows());
    multiply<T>(count, count, E, dout.from(begin), turned_value.rows(), false, dscores.rows());
    // What later chunks' queries read of the keys, moved on to the chunk's end.
    multiply<T>(count, D, E, chunk.value.rows(), turned_state.rows(), false, dkeys.rows());
    std::fill_n(chunk.moved[0], D, T{1});
    for (std::int64_t j = count - 1; j >= 0; --j) {
      multiply_row(chunk.moved[0], dkeys[j], D);
      multiply_row(chunk.alpha[j], chunk.moved[0], D);
    }
    score_keys(chunk, count, D, at_end.rows());
    multiply<T>(count, E, D, at_end.rows(), state.rows(), false, dvalues.rows());
    multiply<T>(count, E, count, Factor<T>::transposed(chunk.scores.rows()), dout.from(begin), true, dvalues.rows());
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
    detail::copy_rows<T>(count, D, dkeys.rows(), mask, dkey.from(begin));
    detail::copy_rows<T>(count, E, dvalues.rows(), mask, dvalue.from(begin));
    for (std::int64_t t = 0; t < count; ++t) {
      if (head.masked(begin + t)) std::fill_n(dgate[begin + t], D, T{0});
    }
    close_state(chunk, count, D, E, state.rows());
    multiply<T>(D, E, count, Factor<T>::transposed(gated.rows()), dout.from(begin), true, state.rows());
  }
}

template <class T, class Visit>
void for_each_head(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale, const Heads<const T>& query,
                   const Heads<const T>& key, const Heads<const T>& value, const Heads<const T>& gate, Visit&& visit) {
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    visit(b, h,
          Head<T>{sizes.queries, sizes.head_dim, sizes.value_dim, scale, rows_of(query, b, h), rows_of(key, b, h),
                  rows_of(value, b, h), rows_of(gate, b, h), mask_of(visibility, sizes, b)});
  });
}

}  // namespace

template <class T>
void gated_linear_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                    Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                                    Heads<T> out) {
  check_arguments(sizes, visibility);
  for_each_head<T>(sizes, visibility, scale, query, key, value, gate,
                   [&](std::int64_t b, std::int64_t h, const Head<T>& head) { forward_head(head, rows_of(out, b, h)); });
}

template <class T>
void gated_linear_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                     Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                                     Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                                     const Gradient<T>& dvalue, const Gradient<T>& dgate) {
  check_arguments(sizes, visibility);
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  const detail::WrittenGradient<T> gates(dgate, sizes.batch, sizes.keys, sizes.heads, sizes.head_dim);
  for_each_head<T>(sizes, visibility, scale, query, key, value, gate,
                   [&](std::int64_t b, std::int64_t h, const Head<T>& head) {
                     const Rows<T> dq = rows_of(written.query.heads(), b, h);
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
    const Scratch<T> sigmoid(1, D), alpha(1, D);
    const Rows<T> own{state + i * D * E, E};
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
                                                  Heads<const T>, Heads<const T>, Heads<const T>, Heads<T>);                \
  template void gated_linear_attention_backward<T>(                                                                         \
      const AttentionSizes&, const AttentionVisibility&, T, Heads<const T>, Heads<const T>, Heads<const T>, Heads<const T>, \
      Heads<const T>, const Gradient<T>&, const Gradient<T>&, const Gradient<T>&, const Gradient<T>&);                      \
  template void gated_linear_attention_step<T>(const AttentionSizes&, T, Heads<const T>, Heads<const T>, Heads<const T>,    \
                                               Heads<const T>, T*, Heads<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
