#pragma once
/// \file
/// Features that point both ways: of each row its softmax and the softmax of its negative.
///
/// φ(x) = [softmax(x), softmax(−x)] of a row x of `width` numbers, 2 · width positive features. Source: Zhang et al., The
/// Hedgehog & the Porcupine, ICLR 2024, section 4.2, with the softmax over the features that the authors' code takes in
/// place of exp.

#include <cstdint>

#include "core/kernels/gradient.h"

namespace cosformer {

/// x [rows, width] -> out [rows, 2 · width]. float or double.
template <class T>
void softmax_features_forward(std::int64_t rows, std::int64_t width, const T* x, T* out);

/// From `out` as the forward pass wrote it, and the gradient of that.
template <class T>
void softmax_features_backward(std::int64_t rows, std::int64_t width, const T* out, const T* dout, const Gradient<T>& dx);

}  // namespace cosformer
