#pragma once
/// \file
/// Gradients of parameters against central differences.

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "autograd/backward.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"

namespace cosformer::test {

/// Parameters away from their initial zeros, and queries and keys mostly positive: the normaliser of every feature map is
/// then far from 0, where differences would tell nothing.
inline void spread_parameters(const std::vector<Parameter>& parameters) {
  std::uint64_t seed = 1000;
  for (const Parameter& parameter : parameters) {
    Tensor value = parameter.variable.value();
    const bool is_bias = parameter.name.ends_with(".bias");
    const bool is_query_or_key =
        parameter.name.find("q_proj") != std::string::npos || parameter.name.find("k_proj") != std::string::npos;
    const double center = is_query_or_key && is_bias ? 1.0 : 0.0;
    if (is_bias) value.copy_from(random_tensor(value.shape(), ++seed, value.dtype(), center - 0.3, center + 0.3));
  }
}

/// The largest error of the gradient of any parameter against central differences, relative to the parameter's largest.
inline double worst_parameter_error(const std::vector<Parameter>& parameters,
                                    const std::function<Variable(const Pass&)>& loss) {
  constexpr double kStep = 1e-5;
  const Gradients gradients = backward(loss({.record_gradients = true}));
  double worst = 0;
  for (const Parameter& parameter : parameters) {
    const Tensor gradient = gradients.of(parameter.variable);
    REQUIRE(gradient.defined());
    const Values analytic = values_of(gradient);
    Tensor value = parameter.variable.value();
    double error = 0, magnitude = 1;
    for (std::size_t i = 0; i < analytic.size(); ++i) {
      double& x = value.span<double>()[i];
      const double before = x;
      const auto loss_at = [&](double moved) {
        x = moved;
        return loss({}).value().item();
      };
      const double numeric = (loss_at(before + kStep) - loss_at(before - kStep)) / (2 * kStep);
      x = before;
      magnitude = std::max(magnitude, std::abs(numeric));
      error = std::max(error, std::abs(numeric - analytic[i]));
    }
    worst = std::max(worst, error / magnitude);
  }
  return worst;
}

}  // namespace cosformer::test
