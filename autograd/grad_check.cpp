#include "autograd/grad_check.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/backward.h"
#include "core/error.h"

namespace cosformer {

GradientCheck check_gradients(const std::function<Variable(std::span<const Variable>)>& loss, std::span<const Tensor> inputs,
                              double step) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) {
    check<ShapeError>(input.dtype() == DType::float64, "a gradient check needs float64 inputs");
    leaves.push_back(Variable::leaf(input.clone()));
  }
  const Gradients gradients = backward(loss(leaves));

  GradientCheck result;
  const auto value_at = [&](std::size_t k, std::size_t i, double x) {
    std::vector<Variable> moved;
    for (const Variable& leaf : leaves) moved.push_back(leaf.detach());
    Tensor shifted = leaves[k].value().clone();
    shifted.span<double>()[i] = x;
    moved[k] = Variable(shifted);
    return loss(moved).value().item();
  };
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    const auto values = leaves[k].value().contiguous();
    const Tensor analytic = gradients.of(leaves[k]);
    std::vector<double> numeric;
    double magnitude = 1.0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(values.size()); ++i) {
      const double x = values.span<double>()[i];
      numeric.push_back((value_at(k, i, x + step) - value_at(k, i, x - step)) / (2 * step));
      magnitude = std::max(magnitude, std::abs(numeric.back()));
    }
    const Tensor dense = analytic.defined() ? analytic.contiguous() : Tensor::zeros(values.shape(), DType::float64);
    for (std::size_t i = 0; i < numeric.size(); ++i) {
      const double found = dense.span<double>()[i];
      const double error = std::isfinite(found) ? std::abs(found - numeric[i]) / magnitude : HUGE_VAL;
      if (error > result.worst_error) {
        result.worst_error = error;
        result.worst_place = concat("input ", k, ", element ", i, ": expected ", numeric[i], ", found ", found);
      }
    }
  }
  return result;
}

}  // namespace cosformer
