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
  std::int64_t (*moments)(const OptimizerConfig&);
};

std::int64_t two_moments(const OptimizerConfig&) { return 2; }
std::int64_t velocity_alone(const OptimizerConfig& config) { return config.momentum != 0 ? 1 : 0; }

constexpr OptimizerKind kOptimizers[] = {
    {"adamw", make_adamw, two_moments}, {"adam", make_adam, two_moments}, {"sgd", make_sgd, velocity_alone}};

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

std::int64_t optimizer_moments(const OptimizerConfig& config) {
  return find_named(kOptimizers, config.name, "optimizer.name").moments(config);
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
