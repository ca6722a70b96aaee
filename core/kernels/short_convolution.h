#pragma once
/// \file
/// A causal convolution over a few tokens, of each channel by itself:
///
///     y_t = Σ_d w_(K − 1 − d) ∘ x_(t − d),  0 ≤ d < K
///
/// x_(t − d) is the token d positions before token t; one that is padding counts as 0. The last tap is that of the token
/// itself, as in PyTorch's Conv1d. Source: So et al., Primer, NeurIPS 2021, section 3.3.

#include <cstdint>

#include "core/kernels/gradient.h"

namespace cosformer {

struct ShortConvolutionSizes {
  std::int64_t batch = 0;
  std::int64_t length = 0;  ///< T
  std::int64_t width = 0;   ///< channels
  std::int64_t taps = 1;    ///< K
};

/// Which tokens [batch, length] are real, and where they stand; null: all of them, and at 0, 1, 2, ...
struct ConvolvedTokens {
  const std::uint8_t* real = nullptr;
  const std::int32_t* positions = nullptr;  ///< never falling within an item
};

/// Writes y [batch, length, width] from x of the same shape and weight [width, taps]. float or double.
template <class T>
void short_convolution_forward(const ShortConvolutionSizes& sizes, const ConvolvedTokens& tokens, const T* x,
                               const T* weight, T* y);

/// The gradients of x and weight; those of padding are exactly 0. The same bits on any number of threads.
template <class T>
void short_convolution_backward(const ShortConvolutionSizes& sizes, const ConvolvedTokens& tokens, const T* x,
                                const T* weight, const T* dy, const Gradient<T>& dx, const Gradient<T>& dweight);

}  // namespace cosformer
