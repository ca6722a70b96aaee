#pragma once
/// \file
/// y = residual + dropout(x Wᵀ + b), tile by tile of rows. float or double; see norm_linear.h for when.

#include <cstdint>

#include "core/kernels/gradient.h"
#include "core/simd/row_loops.h"

namespace cosformer {

/// x [R, width], weight [out, width], bias [out] or null. `dropout` is null if there is none.
template <class T>
struct LinearResidual {
  std::int64_t rows = 0, width = 0, out = 0;
  const T* x = nullptr;
  const T* weight = nullptr;
  const T* bias = nullptr;
  const DropoutMask* dropout = nullptr;
};

/// residual and y [R, out]; y may be residual.
template <class T>
void linear_residual_forward(const LinearResidual<T>& layer, const T* residual, T* y);

/// The gradients of x [R, width] and of the parameters. The residual's is dy itself.
template <class T>
void linear_residual_backward(const LinearResidual<T>& layer, const T* dy, const Gradient<T>& dx, const Gradient<T>& dweight,
                              const Gradient<T>& dbias);

}  // namespace cosformer
