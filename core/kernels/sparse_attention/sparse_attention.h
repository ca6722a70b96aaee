#pragma once
/// \file
/// Softmax attention to few keys: out_i = Σ_j softmax_j(scale · q_i·k_j) v_j over the keys j that a pattern lists for query
/// i.

#include "core/kernels/attention/attention_types.h"
#include "core/kernels/sparse_attention/sparse_pattern.h"

namespace cosformer {

/// Goes over a head's tiles with a running maximum and sum for each query: time in the pairs that the pattern lists, memory
/// in the length. Causality and padding are the pattern's business (it sees them in a SparseItem); a window of `visibility`
/// is not looked at. Dropout as in softmax_attention.h: the weight of query i and key j is element
/// ((b · H + h) · T + i) · S + j.
///
/// Writes `out` [B, T, H, E] and `log_sum_exp` [B, H, T]. A query that sees no key gives exactly 0 and log_sum_exp =
/// -infinity. Rows of keys that no tile lists are not read. float or double.
template <class T>
void sparse_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const SparsePattern& pattern, T scale, Heads<const T> query, Heads<const T> key,
                              Heads<const T> value, Heads<T> out, T* log_sum_exp);

/// The gradients of the three inputs, recomputing the scores tile by tile. All of a head is one thread's, which adds the
/// tiles' shares in the pattern's order.
template <class T>
void sparse_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const SparsePattern& pattern, T scale, Heads<const T> query, Heads<const T> key,
                               Heads<const T> value, Heads<const T> out, const T* log_sum_exp, Heads<const T> dout,
                               const Gradient<T>& dquery, const Gradient<T>& dkey, const Gradient<T>& dvalue);

}  // namespace cosformer
