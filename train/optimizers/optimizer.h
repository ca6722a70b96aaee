#pragma once
/// \file
/// What turns gradients into new parameters.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autograd/backward.h"
#include "layers/parameters.h"
#include "train/config/config.h"

namespace cosformer {

/// Updates parameters in place. Parameters without a gradient keep their value and their moments.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update. `gradient_scale` is what clipping multiplies the gradients by. `step` counts from 1.
  virtual void update(const std::vector<Parameter>& parameters, const Gradients& gradients, std::int64_t step,
                      double learning_rate, double gradient_scale) = 0;

  /// The moments by name ("<parameter>.m"), sharing memory with the optimizer: what a checkpoint holds.
  virtual std::map<std::string, Tensor> state() const = 0;

  /// Takes over the moments of a checkpoint. Throws InputError where one is missing or has another shape.
  void load(const std::map<std::string, Tensor>& saved);
};

/// Throws InputError for an unknown name, with the nearest one.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const std::vector<Parameter>& parameters);

/// Numbers of state that the optimizer keeps for each parameter. Throws InputError for an unknown name.
std::int64_t optimizer_moments(const OptimizerConfig& config);

/// Euclidean norm over the gradients of all parameters, summed in double in a fixed order; not finite where any gradient
/// is not finite.
double gradient_norm(const std::vector<Parameter>& parameters, const Gradients& gradients);

}  // namespace cosformer
