#pragma once
/// \file
/// What the operations on rows share: checks of weights, and pointers that may be null.

#include <algorithm>

#include "autograd/ops.h"

namespace cosformer {

/// Rows of an array whose last axis is a row.
inline std::int64_t row_count(const Shape& shape) {
  const std::int64_t width = std::max<std::int64_t>(shape[-1], 1);
  return shape[-1] == 0 ? 0 : shape.size() / width;
}

/// Throws ShapeError, tagged with `operation`, if the norm's parameters do not fit x.
void check_norm(const char* operation, const Variable& x, const NormWeights& norm);
/// Throws ShapeError, tagged with `operation`, if the layer does not take rows of x.
void check_linear(const char* operation, const Variable& x, const LinearWeights& layer);

/// The elements of a tensor that may be undefined.
template <class T>
const T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

}  // namespace cosformer
