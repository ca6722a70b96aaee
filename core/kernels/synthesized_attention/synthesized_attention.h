#pragma once
/// \file
/// Softmax attention whose scores are no products of queries and keys: out_i = Σ_j softmax_j(s_ij) v_j (Tay et al.,
/// Synthesizer, ICML 2021). The scores are worked out row by row and never stored as a whole.

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// s_ij = table_h[position of i, position of j].
template <class T>
struct ScoreTable {
  const T* data = nullptr;  ///< [H, length, length]
  std::int64_t length = 0;
};

/// s_ij = a_i[p mod A] · b_i[p / A] with p, the position of j, below A · B.
template <class T>
struct ScoreFactors {
  Heads<const T> a, b;  ///< [B, T, H, A] and [B, T, H, B]
  std::int64_t a_size = 0, b_size = 0;
};

/// Writes `out` [B, T, H, E] and `log_sum_exp` [B, H, T] as softmax_attention_forward does, with its dropout and its way
/// with queries that see nothing. The window of `visibility` is not looked at. Positions must fit the scores. float or
/// double.
template <class T>
void table_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, const ScoreTable<T>& scores,
                             Heads<const T> value, Heads<T> out, T* log_sum_exp);
template <class T>
void factor_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const ScoreFactors<T>& scores, Heads<const T> value, Heads<T> out, T* log_sum_exp);

/// The gradients; a head is one thread's, which goes over the items one by one.
template <class T>
void table_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const ScoreTable<T>& scores, Heads<const T> value, Heads<const T> out, const T* log_sum_exp,
                              Heads<const T> dout, const Gradient<T>& dtable, const Gradient<T>& dvalue);
template <class T>
void factor_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const ScoreFactors<T>& scores, Heads<const T> value, Heads<const T> out, const T* log_sum_exp,
                               Heads<const T> dout, const Gradient<T>& da, const Gradient<T>& db, const Gradient<T>& dvalue);

}  // namespace cosformer
