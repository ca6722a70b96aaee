#pragma once
/// \file
/// Layer norm followed by linear layers, tile by tile of rows: the normalised rows never reach memory. float or double.
///
/// For rows of at most `kWidestFusedRows` numbers, which are bound by memory when each operation passes over them alone.
/// Runs on all threads (on one inside a loop of `parallel_for`), with the same bits on any number of them.

#include <cstdint>
#include <span>

#include "core/kernels/gradient.h"

namespace cosformer {

/// The widest rows for which the fused kernels are meant; wider models are split inside their matrix products.
inline constexpr std::int64_t kWidestFusedRows = 192;

/// The rows of a norm: x [R, width], and its parameters [width].
template <class T>
struct NormRows {
  std::int64_t rows = 0, width = 0;
  const T* x = nullptr;
  const T* weight = nullptr;
  const T* bias = nullptr;
};

/// Of a norm's parameters.
template <class T>
struct NormGradients {
  Gradient<T> dweight, dbias;
};

/// y = norm(x) Wᵀ + b, weight [out, width], bias [out] or null, y [R, out].
template <class T>
struct NormLinear {
  std::int64_t out = 0;
  const T* weight = nullptr;
  const T* bias = nullptr;
  T* y = nullptr;
};

/// dy [R, out] is null if no gradient comes back; those of the weights are 0 then.
template <class T>
struct NormLinearGradient {
  std::int64_t out = 0;
  const T* weight = nullptr;
  const T* dy = nullptr;
  Gradient<T> dweight, dbias;
};

/// All `layers` of one normalised x. Writes `mean` and `inverse_deviation` [R], which the backward pass needs.
template <class T>
void norm_linear_forward(const NormRows<T>& norm, double eps, std::span<const NormLinear<T>> layers, T* mean,
                         T* inverse_deviation);

/// The gradients of x [R, width] and of all parameters. The normalised rows are computed again.
template <class T>
void norm_linear_backward(const NormRows<T>& norm, const T* mean, const T* inverse_deviation,
                          std::span<const NormLinearGradient<T>> layers, const Gradient<T>& dx,
                          const NormGradients<T>& gradients);

}  // namespace cosformer
