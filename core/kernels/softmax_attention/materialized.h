#pragma once
/// \file
/// Scaled dot-product attention with the whole T×S matrix of every head stored: the baseline that the paper compares with.
/// The numbers are those of softmax_attention.h.

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// Writes `probabilities` [B, H, T, S] and `out`.
template <class T>
void softmax_attention_materialized_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                            Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<T> out,
                                            T* probabilities);

/// Its backward pass; `dropout` is that of the forward pass or null, `scratch` has the size of `probabilities` and is
/// overwritten.
template <class T>
void softmax_attention_materialized_backward(const AttentionSizes& sizes, T scale, Heads<const T> query, Heads<const T> key,
                                             Heads<const T> value, const T* probabilities, Heads<const T> dout, T* scratch,
                                             const Gradient<T>& dquery, const Gradient<T>& dkey, const Gradient<T>& dvalue,
                                             const DropoutMask* dropout = nullptr);

}  // namespace cosformer
