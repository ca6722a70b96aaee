#pragma once
/// \file
/// Gradients against central differences, in double.

#include <functional>
#include <span>
#include <string>

#include "autograd/variable.h"

namespace cosformer {

/// What a gradient check found.
struct GradientCheck {
  double worst_error = 0;   ///< largest |analytic - numeric| / max(|numeric| of this input, 1) over all elements
  std::string worst_place;  ///< "input 1, element 17: expected 0.25, found 0.75"
};

/// Compares the gradient of `loss` with central differences of step `step` for each element of each input (float64
/// tensors). `loss` maps leaves to a scalar; it is called twice an element. Throws ShapeError for inputs that are not
/// float64.
GradientCheck check_gradients(const std::function<Variable(std::span<const Variable>)>& loss, std::span<const Tensor> inputs,
                              double step = 1e-5);

}  // namespace cosformer
