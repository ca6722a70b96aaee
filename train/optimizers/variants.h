#pragma once
/// \file
/// The optimizers that `make_optimizer` knows.

#include "train/optimizers/optimizer.h"

namespace cosformer {

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as torch.optim.AdamW.
std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, const std::vector<Parameter>& parameters);
/// Adam with weight decay added to the gradient (Kingma and Ba, 2015), as torch.optim.Adam.
std::unique_ptr<Optimizer> make_adam(const OptimizerConfig& config, const std::vector<Parameter>& parameters);
/// Stochastic gradient descent with momentum, plain or Nesterov's, as torch.optim.SGD.
std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config, const std::vector<Parameter>& parameters);

}  // namespace cosformer
