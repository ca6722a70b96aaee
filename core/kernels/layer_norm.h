#pragma once
/// \file
/// Layer normalisation: y = (x - mean) / sqrt(variance + eps) ∘ weight + bias over each row (Ba, Kiros and Hinton, 2016).

#include <cstdint>

#include "core/kernels/gradient.h"

namespace cosformer {

/// Writes y, and of each row the mean and 1 / sqrt(variance + eps), which the backward pass needs. Rows of `width`
/// elements are x_stride and y_stride apart; y may be x. float or double.
template <class T>
void layer_norm_forward(std::int64_t rows, std::int64_t width, const T* x, std::int64_t x_stride, const T* weight,
                        const T* bias, double eps, T* y, std::int64_t y_stride, T* mean, T* inverse_deviation);

/// The gradients of x [rows, width], weight and bias [width]. dx may not overlap x or dy. The sums over rows are made in
/// blocks that depend on the shape alone: the same bits on any number of threads.
template <class T>
void layer_norm_backward(std::int64_t rows, std::int64_t width, const T* x, std::int64_t x_stride, const T* mean,
                         const T* inverse_deviation, const T* weight, const T* dy, std::int64_t dy_stride,
                         const Gradient<T>& dx, const Gradient<T>& dweight, const Gradient<T>& dbias);

}  // namespace cosformer
