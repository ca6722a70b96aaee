#pragma once
/// \file
/// Norm over the last axis without a mean: y = x / sqrt(mean(x²) + eps) ∘ weight (Zhang and Sennrich, NeurIPS 2019).

#include <cstdint>

#include "core/kernels/gradient.h"

namespace cosformer {

/// Writes y, and of each row 1 / sqrt(mean(x²) + eps), which the backward pass needs. Rows of `width` elements follow one
/// another. float or double.
template <class T>
void rms_norm_forward(std::int64_t rows, std::int64_t width, const T* x, const T* weight, double eps, T* y, T* inverse);

/// The gradients of x [rows, width] and weight [width]. dx may not overlap x or dy. The sums over rows are made in blocks
/// that depend on the shape alone: the same bits on any number of threads.
template <class T>
void rms_norm_backward(std::int64_t rows, std::int64_t width, const T* x, const T* inverse, const T* weight, const T* dy,
                       const Gradient<T>& dx, const Gradient<T>& dweight);

}  // namespace cosformer
