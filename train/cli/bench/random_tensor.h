#pragma once
/// \file
/// Inputs of measurements.

#include <string_view>

#include "core/tensor.h"

namespace cosformer {

/// float32 numbers with mean 0 and variance 1, a function of `purpose` and the index.
Tensor normal_tensor(const Shape& shape, std::string_view purpose);

}  // namespace cosformer
