#pragma once
/// \file
/// A chunk of one head of the delta rule: what it reads, and the corrections that its tokens make. Internal to this folder.

#include <algorithm>

#include "core/kernels/attention/attention_tiles.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// Rows of a chunk.
inline constexpr std::int64_t kDeltaChunk = 64;

/// One head of one item.
template <class T>
struct DeltaHead {
  std::int64_t length, D, E;
  T scale;
  MatrixView<const T> query, key, value;
  MatrixView<const T> beta;   ///< one column
  MatrixView<const T> decay;  ///< one column of log α; null data: nothing decays
  const std::uint8_t* key_mask;
  MatrixView<const T> before;  ///< the state before the first token; null data: zeros

  bool decays() const { return decay.data != nullptr; }
  bool masked(std::int64_t t) const { return key_mask != nullptr && key_mask[t] == 0; }
  const std::uint8_t* mask_from(std::int64_t t) const { return key_mask == nullptr ? nullptr : key_mask + t; }
};

/// A chunk of a head, and what its rows do to each other. With b_t the sum of the chunk's log α up to and including t:
template <class T>
struct DeltaChunk {
  DeltaChunk(std::int64_t D, std::int64_t E, bool decays)
      : key(kDeltaChunk, D),
        value(kDeltaChunk, E),
        beta(1, kDeltaChunk),
        turned_key(D, kDeltaChunk),
        similar(kDeltaChunk, kDeltaChunk),
        scores(kDeltaChunk, kDeltaChunk),
        errors(kDeltaChunk, E),
        corrections(kDeltaChunk, E),
        logs(1, kDeltaChunk),
        left(1, kDeltaChunk),
        rest(1, kDeltaChunk),
        ratios(decays ? kDeltaChunk : 0, kDeltaChunk),
        key_at_end(decays ? kDeltaChunk : 0, D) {}

  ScratchMatrix<T> key, value, beta, turned_key;
  ScratchMatrix<T> similar;      ///< e^(b_t − b_s) k_t · k_s for s < t, 0 elsewhere
  ScratchMatrix<T> scores;       ///< e^(b_t − b_s) q_t · k_s for s ≤ t, 0 elsewhere
  ScratchMatrix<T> errors;       ///< v_t − e^(b_t) k_t S, S the state before the chunk
  ScratchMatrix<T> corrections;  ///< u_t
  ScratchMatrix<T> logs;         ///< b_t
  ScratchMatrix<T> left;         ///< e^(b_t): what is left of S at token t
  ScratchMatrix<T> rest;         ///< e^(b_C − b_t): what is left of token t behind the chunk
  ScratchMatrix<T> ratios;       ///< e^(b_t − b_s) for s ≤ t, 0 elsewhere
  ScratchMatrix<T> key_at_end;   ///< e^(b_C − b_t) k_t

  /// Reads rows [begin, begin + count) and solves for their corrections.
  void load(const DeltaHead<T>& head, std::int64_t begin, std::int64_t count, MatrixView<const T> state) {
    const std::int64_t D = head.D, E = head.E;
    copy_rows(count, D, head.key.from(begin), head.mask_from(begin), key.view());
    copy_rows(count, E, head.value.from(begin), head.mask_from(begin), value.view());
    for (std::int64_t t = 0; t < count; ++t) beta[0][t] = head.masked(begin + t) ? T{0} : *head.beta[begin + t];
    transpose<T>(count, D, key.view(), turned_key.view());
    multiply<T>(count, count, D, key.view(), turned_key.view(), false, similar.view());
    multiply<T>(count, E, D, key.view(), state, false, errors.view());
    if (head.decays()) decay(head, begin, count);
    for (std::int64_t t = 0; t < count; ++t) std::fill(similar[t] + t, similar[t] + count, T{0});
    for (std::int64_t t = 0; t < count; ++t) {
      for (std::int64_t e = 0; e < E; ++e) errors[t][e] = value[t][e] - errors[t][e];
      T* own = corrections[t];
      std::copy_n(errors[t], E, own);
      for (std::int64_t s = 0; s < t; ++s) loops<T>().add_scaled(-similar[t][s], corrections[s], own, E);
      loops<T>().scale(beta[0][t], own, own, E);
    }
  }

  /// The scores of the rows that `load` has read.
  void score(const DeltaHead<T>& head, std::int64_t begin, std::int64_t count) {
    multiply<T>(count, count, head.D, head.query.from(begin), turned_key.view(), false, scores.view());
    if (head.decays()) multiply_rows<T>(count, count, ratios.view(), scores.view(), scores.view());
    for (std::int64_t t = 0; t < count; ++t) std::fill(scores[t] + t + 1, scores[t] + count, T{0});
  }

  /// What the state behind the chunk holds of its tokens is keysᵀ U with these keys.
  MatrixView<const T> keys_behind(const DeltaHead<T>& head) const { return head.decays() ? key_at_end.view() : key.view(); }

  /// S becomes the state behind the chunk: e^(b_C) S + Σ_t e^(b_C − b_t) k_tᵀ u_t.
  void advance(const DeltaHead<T>& head, std::int64_t count, MatrixView<T> state) const {
    close(head, count, state);
    multiply<T>(head.D, head.E, count, Factor<T>::transposed(keys_behind(head)), corrections.view(), true, state);
  }

  /// S *= e^(b_C), in both passes.
  void close(const DeltaHead<T>& head, std::int64_t count, MatrixView<T> state) const {
    if (!head.decays()) return;
    for (std::int64_t d = 0; d < head.D; ++d) loops<T>().scale(left[0][count - 1], state[d], state[d], head.E);
  }

  /// Row t of `rows` *= e^(b_t), where the state before the chunk is read.
  void fade(const DeltaHead<T>& head, std::int64_t count, std::int64_t width, MatrixView<T> rows) const {
    if (head.decays()) scale_rows<T>(count, width, left[0], rows, rows);
  }

 private:
  void decay(const DeltaHead<T>& head, std::int64_t begin, std::int64_t count) {
    T sum = 0;
    for (std::int64_t t = 0; t < count; ++t) {
      if (!head.masked(begin + t)) sum += *head.decay[begin + t];
      logs[0][t] = sum;
    }
    loops<T>().exp_sum(logs[0], T{1}, T{0}, left[0], count);
    // No other exponent may be taken: those of later tokens would overflow.
    for (std::int64_t t = 0; t < count; ++t) {
      loops<T>().exp_sum(logs[0], T{-1}, -logs[0][t], ratios[t], t + 1);
      std::fill(ratios[t] + t + 1, ratios[t] + count, T{0});
    }
    std::copy_n(ratios[count - 1], count, rest[0]);
    multiply_rows<T>(count, count, ratios.view(), similar.view(), similar.view());
    scale_rows<T>(count, head.D, rest[0], key.view(), key_at_end.view());
    scale_rows<T>(count, head.E, left[0], errors.view(), errors.view());
  }
};

}  // namespace cosformer::detail
