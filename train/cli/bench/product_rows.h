#pragma once
/// \file
/// The matrix products that `cosformer bench operators` times: m x n x k, A or B read transposed (t) or not (n).

#include "train/cli/bench/operator_rows.h"

namespace cosformer {

/// Wide and narrow ones, as the linear layers of the configs in configs/bench/ have them: forward (nt), gradients of inputs
/// (nn) and of weights (tn). Internal to operator_rows.cpp.
std::span<const OperatorRow> product_rows();

}  // namespace cosformer
