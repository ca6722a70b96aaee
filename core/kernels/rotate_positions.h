#pragma once
/// \file
/// Rotary positions: pairs of channels are turned by an angle that grows with the position,
///
///     (x_i, x_(i + D/2)) -> turned by p · base^(−2i / D),  i < D / 2
///
/// so that the product of a query and a key depends on the distance between them. Source: Su et al., RoFormer, 2021; the
/// pairs are those of GPT-NeoX and Llama.

#include <cstdint>

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

struct RotationOptions {
  double base = 10000;
  std::int64_t first = 0;                   ///< position of token 0, if there are no `positions`
  const std::int32_t* positions = nullptr;  ///< [B, T] or null: first, first + 1, ...
  bool backward = false;                    ///< turns the other way, which is the gradient
};

/// Writes y [B, T, H, D], contiguous, or adds to it. D is even. float or double; angles are computed in double.
template <class T>
void rotate_positions(std::int64_t batch, std::int64_t length, std::int64_t heads, std::int64_t head_dim,
                      const RotationOptions& options, Heads<const T> x, const Gradient<T>& y);

}  // namespace cosformer
