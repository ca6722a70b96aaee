#pragma once
/// \file
/// One array gated by a function of another: y = x ∘ f(z) (Shazeer, GLU Variants Improve Transformer, 2020).

#include <cstdint>

#include "core/kernels/gradient.h"
#include "core/kernels/scalar_function.h"

namespace cosformer {

/// y of n elements. The same bits on any number of threads. float or double.
template <class T>
void gated_product_forward(ScalarFunction f, const T* x, const T* z, T* y, std::int64_t n);

/// dx = dy ∘ f(z), dz = dy ∘ x ∘ f'(z). Neither may overlap an input.
template <class T>
void gated_product_backward(ScalarFunction f, const T* x, const T* z, const T* dy, const Gradient<T>& dx,
                            const Gradient<T>& dz, std::int64_t n);

}  // namespace cosformer
