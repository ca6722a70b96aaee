#include "train/optimizers/optimizer.h"

#include <cmath>

#include "core/kernels/optimizer.h"
#include "core/named_table.h"
#include "train/optimizers/variants.h"

namespace cosformer {

namespace {

struct OptimizerKind {
  const char* name;
  std::unique_ptr<Optimizer> (*make)(const OptimizerConfig&, const std::vector<Parameter>&);
};

constexpr OptimizerKind kOptimizers[] = {{"adamw", make_adamw}, {"adam", make_adam}, {"sgd", make_sgd}};

}  // namespace

void Optimizer::load(const std::map<std::string, Tensor>& saved) {
  for (auto& [name, tensor] : state()) {
    const auto found = saved.find(name);
    check<InputError>(found != saved.end(), "optimizer state: tensor '", name, "' is missing");
    check<InputError>(found->second.shape() == tensor.shape(), "optimizer state: tensor '", name, "' has shape ",
                      found->second.shape(), ", expected ", tensor.shape());
    Tensor target = tensor;
    target.copy_from(found->second.to(tensor.dtype()));
  }
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const std::vector<Parameter>& parameters) {
  return find_named(kOptimizers, config.name, "optimizer.name").make(config, parameters);
}

double gradient_norm(const std::vector<Parameter>& parameters, const Gradients& gradients) {
  double sum = 0;
  for (const Parameter& parameter : parameters) {
    const Tensor gradient = gradients.of(parameter.variable);
    if (!gradient.defined()) continue;
    const Tensor dense = gradient.contiguous();
    dispatch_float(dense.dtype(), [&](auto type) { sum += sum_of_squares(dense.data<decltype(type)>(), dense.size()); });
  }
  return std::sqrt(sum);
}

}  // namespace cosformer
