#include "train/optimizers/optimizer.h"

#include <cmath>

#include "core/kernels/optimizer.h"
#include "core/named_table.h"

namespace cosformer {

namespace {

const OptimizerKind& kind_of(const OptimizerConfig& config) {
  return find_named(optimizer_kinds(), config.name, "optimizer.name");
}

/// "optimizer.name = "sgd"", with every kind that has momentum.
std::string kinds_with_momentum() {
  std::string names;
  for (const OptimizerKind& kind : optimizer_kinds()) {
    if (kind.has_momentum) names += concat(names.empty() ? "optimizer.name = \"" : " or \"", kind.name, '"');
  }
  return names;
}

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config, const std::vector<Parameter>& parameters)
    : config_(config), kind_(kind_of(config)), slot_names_(kind_.slots(config)) {
  for (const Parameter& parameter : parameters) {
    const Tensor& value = parameter.variable.value();
    std::vector<Tensor>& slots = slots_[parameter.name];
    for (std::size_t i = 0; i < slot_names_.size(); ++i) slots.push_back(Tensor::zeros(value.shape(), value.dtype()));
  }
}

void Optimizer::update(const std::vector<Parameter>& parameters, const Gradients& gradients, const OptimizerStep& step) {
  for (const Parameter& parameter : parameters) {
    const Tensor gradient = gradients.of(parameter.variable);
    if (!gradient.defined()) continue;
    Tensor value = parameter.variable.value();
    kind_.update(config_, step, gradient.contiguous(), value, slots_.at(parameter.name));
  }
}

std::map<std::string, Tensor> Optimizer::state() const {
  std::map<std::string, Tensor> state;
  for (const auto& [name, slots] : slots_) {
    for (std::size_t i = 0; i < slots.size(); ++i) state[concat(name, '.', slot_names_[i])] = slots[i];
  }
  return state;
}

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

std::array<double, 2> optimizer_betas(const OptimizerConfig& config) { return config.betas.value_or(kind_of(config).betas); }

std::int64_t optimizer_moments(const OptimizerConfig& config) { return std::ssize(kind_of(config).slots(config)); }

std::optional<OptionProblem> find_optimizer_problem(const OptimizerConfig& config) {
  const bool has_momentum = kind_of(config).has_momentum;
  if (config.nesterov && (!has_momentum || config.momentum == 0.0))
    return OptionProblem{"optimizer.nesterov",
                         concat("optimizer.nesterov needs ", kinds_with_momentum(), " and optimizer.momentum")};
  if (config.momentum > 0.0 && !has_momentum)
    return OptionProblem{"optimizer.momentum", concat("optimizer.momentum needs ", kinds_with_momentum())};
  return std::nullopt;
}

double gradient_norm(const std::vector<Parameter>& parameters, const Gradients& gradients) {
  double sum = 0;
  for (const Parameter& parameter : parameters) {
    const Tensor gradient = gradients.of(parameter.variable);
    if (!gradient.defined()) continue;
    const Tensor dense = gradient.contiguous();
    dispatch_float(dense.dtype(), [&]<class T>(T) { sum += sum_of_squares(dense.data<T>(), dense.size()); });
  }
  return std::sqrt(sum);
}

}  // namespace cosformer
