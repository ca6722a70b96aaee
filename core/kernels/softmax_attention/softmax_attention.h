#pragma once
/// \file
/// Scaled dot-product attention: out_i = Σ_j softmax_j(scale · q_i·k_j) v_j.

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// In tiles of rows and keys with a running maximum and sum; nothing of size T×S is stored (after Milakov and Gimelshein
/// 2018, Rabe and Staats 2021, Dao et al. 2022). Tiles that no query of theirs can see (causal, window) are skipped.
///
/// Distances count as `AttentionVisibility::distance_slopes` says. Dropout applies to the weights after they were divided by
/// their sum, as in Vaswani et al. 2017. Writes `out` [B, T, H, E] and `log_sum_exp` [B, H, T] (of the scaled scores; the
/// backward pass needs it). A query that sees no key gives exactly 0 and log_sum_exp = -infinity. float or double.
template <class T>
void softmax_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                               Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<T> out, T* log_sum_exp);

/// The gradients of the three inputs, recomputing the scores tile by tile.
template <class T>
void softmax_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> out,
                                const T* log_sum_exp, Heads<const T> dout, const Gradient<T>& dquery,
                                const Gradient<T>& dkey, const Gradient<T>& dvalue);

}  // namespace cosformer
