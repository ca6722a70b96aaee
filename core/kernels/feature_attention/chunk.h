#pragma once
/// \file
/// A chunk of one head of attention by features: what it reads, and what its gates do to it. Internal to this folder.

#include <algorithm>
#include <cmath>

#include "core/kernels/attention/attention_tiles.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// Rows of a chunk: scores within it, the state between chunks.
inline constexpr std::int64_t kFeatureChunk = 64;

/// log σ(a), exact where σ(a) is near 0 or 1.
template <class T>
T log_gate(T a) {
  return std::min(a, T{0}) - std::log1p(std::exp(-std::abs(a)));
}

/// What a chunk of one head works with. Values have a column of ones behind them, whose sums are the normaliser's.
template <class T>
struct FeatureChunk {
  FeatureChunk(std::int64_t D, std::int64_t E)
      : key(kFeatureChunk, D),
        turned_key(D, kFeatureChunk),
        value(kFeatureChunk, E + 1),
        moved(kFeatureChunk, D),
        weights(kFeatureChunk, kFeatureChunk),
        scores(kFeatureChunk, kFeatureChunk),
        log_decay(1, kFeatureChunk),
        added(1, kFeatureChunk) {}

  ScratchMatrix<T> key;         ///< (1 − g_j) k_j, 0 if masked
  ScratchMatrix<T> turned_key;  ///< its transpose
  ScratchMatrix<T> value;       ///< [v_j | 1]
  ScratchMatrix<T> moved;       ///< rows on their way to or from the chunk's end
  ScratchMatrix<T> weights;     ///< of key j for query i: what the gates between leave of it
  ScratchMatrix<T> scores;
  ScratchMatrix<T> log_decay;  ///< of row i, what all gates up to its own leave of the state before the chunk
  ScratchMatrix<T> added;      ///< 1 − g_j
};

/// One head of one item.
template <class T>
struct FeatureHead {
  std::int64_t queries, keys, D, E;
  T floor;
  MatrixView<const T> query, key, value, gate;  ///< `gate` may have no data
  const std::uint8_t* key_mask;
  MatrixView<const T> before;  ///< the state [D, E + 1] before the first token; null data: zeros

  bool gated() const { return gate.data != nullptr; }
  bool masked(std::int64_t t) const { return key_mask != nullptr && key_mask[t] == 0; }

  /// Keys and values of rows from `begin` on, as they are added to the state.
  void load(std::int64_t begin, std::int64_t count, FeatureChunk<T>& chunk) const {
    T decay = 0;
    for (std::int64_t p = 0; p < count; ++p) {
      const bool hidden = masked(begin + p);
      T added = hidden ? T{0} : T{1};
      if (gated() && !hidden) {
        const T a = gate[begin + p][0];
        decay += log_gate(a);
        added = 1 / (1 + std::exp(a));
      }
      chunk.log_decay[0][p] = decay;
      chunk.added[0][p] = added;
      if (hidden) {
        std::fill_n(chunk.key[p], D, T{0});
        std::fill_n(chunk.value[p], E, T{0});
      } else {
        loops<T>().scale(added, key[begin + p], chunk.key[p], D);
        std::copy_n(value[begin + p], E, chunk.value[p]);
      }
      chunk.value[p][E] = 1;
    }
    transpose<T>(count, D, chunk.key.view(), chunk.turned_key.view());
  }

  /// weights_ij for j ≤ i.
  void weigh(std::int64_t count, FeatureChunk<T>& chunk) const {
    const T* decay = chunk.log_decay[0];
    for (std::int64_t i = 0; i < count && gated(); ++i) {
      loops<T>().exp_sum(decay, T{-1}, -decay[i], chunk.weights[i], i + 1);
    }
  }

  /// scores_ij times weights_ij for j ≤ i, and exactly 0 elsewhere, whatever is there.
  void apply_weights(std::int64_t count, FeatureChunk<T>& chunk) const {
    for (std::int64_t i = 0; i < count; ++i) {
      T* row = chunk.scores[i];
      for (std::int64_t j = 0; j <= i && gated(); ++j) row[j] *= chunk.weights[i][j];
      std::fill(row + i + 1, row + count, T{0});
    }
  }

  /// Row i of `target` is that of `source` times what the gates of the chunk's rows up to i leave (`from_start`), or those
  /// behind i.
  void move(std::int64_t count, std::int64_t width, const FeatureChunk<T>& chunk, bool from_start,
            MatrixView<const T> source, MatrixView<T> target) const {
    const T* decay = chunk.log_decay[0];
    for (std::int64_t i = 0; i < count; ++i) {
      const T left = gated() ? std::exp(from_start ? decay[i] : decay[count - 1] - decay[i]) : T{1};
      loops<T>().scale(left, source[i], target[i], width);
    }
  }

  /// What the chunk's gates together leave of a state.
  T total_decay(std::int64_t count, const FeatureChunk<T>& chunk) const {
    return gated() ? std::exp(chunk.log_decay[0][count - 1]) : T{1};
  }

  /// The loaded keys and values, added to `state` [D, E + 1] behind what the gates leave of it.
  void add_to(std::int64_t count, FeatureChunk<T>& chunk, MatrixView<T> state) const {
    const T left = total_decay(count, chunk);
    for (std::int64_t d = 0; d < D && left != 1; ++d) loops<T>().scale(left, state[d], state[d], E + 1);
    move(count, D, chunk, false, chunk.key.view(), chunk.moved.view());
    multiply<T>(D, E + 1, count, Factor<T>::transposed(chunk.moved.view()), chunk.value.view(), true, state);
  }
};

}  // namespace cosformer::detail
