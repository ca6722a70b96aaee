#pragma once
/// \file
/// A chunk of one head of gated linear attention: what it reads, and what its gates do to it. Internal to this folder.

#include <algorithm>
#include <cmath>

#include "core/kernels/attention/attention_tiles.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// Rows of a chunk. Within it keys are moved on token by token, D multiplications for each pair, between chunks the state
/// is.
inline constexpr std::int64_t kChunk = 16;

inline constexpr double kGateRoot = 16;

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
struct GatedChunk {
  GatedChunk(std::int64_t D, std::int64_t E)
      : query(kChunk, D),
        key(kChunk, D),
        value(kChunk, E),
        alpha(kChunk, D),
        sigmoid(kChunk, D),
        moved(1, D),
        scores(kChunk, kChunk) {}

  ScratchMatrix<T> query, key, value, alpha, sigmoid;
  ScratchMatrix<T> moved;   ///< a row on its way through the chunk
  ScratchMatrix<T> scores;  ///< i × j, 0 for j > i
};

/// One head of one item.
template <class T>
struct GatedHead {
  std::int64_t length, D, E;
  T scale;
  MatrixView<const T> query, key, value, gate;
  const std::uint8_t* key_mask;
  MatrixView<const T> before;  ///< the state before the first token; null data: zeros

  bool masked(std::int64_t t) const { return key_mask != nullptr && key_mask[t] == 0; }

  void load(std::int64_t begin, std::int64_t count, const GatedChunk<T>& chunk) const {
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
void gate_queries(const GatedChunk<T>& chunk, std::int64_t count, std::int64_t D, MatrixView<T> target) {
  std::fill_n(chunk.moved[0], D, T{1});
  for (std::int64_t i = 0; i < count; ++i) {
    multiply_row(chunk.alpha[i], chunk.moved[0], D);
    for (std::int64_t d = 0; d < D; ++d) target[i][d] = chunk.query[i][d] * chunk.moved[0][d];
  }
}

/// S_d *= what all gates of the chunk leave of channel d.
template <class T>
void close_state(const GatedChunk<T>& chunk, std::int64_t count, std::int64_t D, std::int64_t E, MatrixView<T> state) {
  std::fill_n(chunk.moved[0], D, T{1});
  for (std::int64_t i = 0; i < count; ++i) multiply_row(chunk.alpha[i], chunk.moved[0], D);
  for (std::int64_t d = 0; d < D; ++d) loops<T>().scale(chunk.moved[0][d], state[d], state[d], E);
}

/// scores_ij = q_i · (k_j moved on to i), and the keys moved on to the chunk's end.
template <class T>
void score_keys(const GatedChunk<T>& chunk, std::int64_t count, std::int64_t D, MatrixView<T> at_end) {
  for (std::int64_t j = 0; j < count; ++j) {
    T* moved = at_end[j];
    std::copy_n(chunk.key[j], D, moved);
    for (std::int64_t i = 0; i < count; ++i) {
      if (i > j) multiply_row(chunk.alpha[i], moved, D);
      chunk.scores[i][j] = i < j ? T{0} : loops<T>().dot(chunk.query[i], moved, D);
    }
  }
}

}  // namespace cosformer::detail
