#pragma once
/// \file
/// Parts of batches, for texts that are written side by side.

#include <span>

#include "core/padding_mask.h"
#include "core/tensor.h"

namespace cosformer {

/// Items rows[0], rows[1], ... of x [B, ...] as a tensor of their own; they may repeat.
Tensor select_rows(const Tensor& x, std::span<const std::int64_t> rows);
SharedPaddingMask select_rows(const PaddingMask& mask, std::span<const std::int64_t> rows);

}  // namespace cosformer
