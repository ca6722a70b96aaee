#pragma once
/// \file
/// A filter of each head over a text's values, those to its left and right alike.
///
///     out_t = Σ_s f_h[p_s - p_t + K/2] x_s        |p_s - p_t| ≤ K/2, K odd
///
/// where p are positions in the text, so that padding between tokens is a gap whether it stands there or was left out.
/// Masked x count as 0. Source: Xiong et al., Nyströmformer, AAAI 2021, section 3.5 (a depth-wise convolution).

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// Writes `out` [B, T, H, E]: x [B, S, H, E] are the keys' side of `sizes` and `visibility`, whose causal, window and
/// dropout are not read; filter [H, taps]. float or double. Throws ShapeError for an even number of taps.
template <class T>
void value_convolution_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, std::int64_t taps,
                               Heads<const T> x, const T* filter, Heads<T> out);

/// The gradients of x and the filter. Those of masked x are exactly 0.
template <class T>
void value_convolution_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, std::int64_t taps,
                                Heads<const T> x, const T* filter, Heads<const T> dout, const Gradient<T>& dx,
                                const Gradient<T>& dfilter);

}  // namespace cosformer
