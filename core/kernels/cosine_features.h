#pragma once
/// \file
/// A cosine for each channel: x_d -> (x_d cos(p θ_d), x_d sin(p θ_d)) at position p, so that a product of a query and a key
/// is Σ_d q_d k_d cos((i − j) θ_d). Source: Qin et al., Linearized Relative Positional Encoding, TMLR 2023, the real form;
/// of cosFormer's successor (Doraemonzzz/xmixers), where θ is learned.

#include <cstdint>

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// Where tokens [B, T] stand: `positions`, or first, first + 1, ... in each item.
struct FeaturePositions {
  std::int64_t first = 0;
  const std::int32_t* positions = nullptr;
};

/// Writes y [B, T, H, 2D], contiguous: the cosines' half, then the sines', from x [B, T, H, D] and theta [H, D]. sizes has
/// batch, queries = T, heads and head_dim. float or double; angles are computed in double.
template <class T>
void cosine_features_forward(const AttentionSizes& sizes, const FeaturePositions& positions, Heads<const T> x,
                             const T* theta, T* y);

/// The gradients of x [B, T, H, D] and theta [H, D] from dy [B, T, H, 2D], contiguous. The same bits on any number of
/// threads.
template <class T>
void cosine_features_backward(const AttentionSizes& sizes, const FeaturePositions& positions, Heads<const T> x,
                              const T* theta, const T* dy, const Gradient<T>& dx, const Gradient<T>& dtheta);

}  // namespace cosformer
