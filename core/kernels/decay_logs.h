#pragma once
/// \file
/// How much a state with one decay per head keeps of itself: log α = −e^a · softplus(z + c), of each token and head. Source:
/// Dao and Gu, Transformers are SSMs (Mamba-2), ICML 2024, as Yang et al., Gated Delta Networks, ICLR 2025, take it over.

#include <cstdint>

#include "core/kernels/gradient.h"

namespace cosformer {

/// z and out [rows, heads]; `rate` holds a and `bias` c of each head. float or double.
template <class T>
void decay_logs_forward(std::int64_t rows, std::int64_t heads, const T* z, const T* rate, const T* bias, T* out);

/// The gradients of z, a and c from that of log α. `out` is what the forward pass wrote.
template <class T>
void decay_logs_backward(std::int64_t rows, std::int64_t heads, const T* z, const T* rate, const T* bias, const T* out,
                         const T* dout, const Gradient<T>& dz, const Gradient<T>& drate, const Gradient<T>& dbias);

}  // namespace cosformer
