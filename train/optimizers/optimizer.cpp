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

std::vector<ParameterPart> whole_parameters(const std::vector<Parameter>& parameters) {
  std::vector<ParameterPart> parts;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].is_trained()) parts.push_back({p, 0, parameters[p].variable.value().size()});
  }
  return parts;
}

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config, const std::vector<Parameter>& parameters)
    : Optimizer(config, parameters, whole_parameters(parameters)) {}

Optimizer::Optimizer(const OptimizerConfig& config, const std::vector<Parameter>& parameters,
                     std::vector<ParameterPart> parts)
    : config_(config),
      without_decay_(config),
      kind_(kind_of(config)),
      slot_names_(kind_.slots(config)),
      parts_(std::move(parts)) {
  without_decay_.weight_decay = 0;
  for (const ParameterPart& part : parts_) {
    std::vector<Tensor>& slots = slots_.emplace_back();
    const auto& [name, variable] = parameters[part.parameter];
    names_.push_back(name);
    shapes_.push_back(variable.shape());
    decays_.push_back(decays(config_, name, variable.shape()) ? 1 : 0);
    for (std::size_t i = 0; i < slot_names_.size(); ++i) slots.push_back(Tensor::zeros({part.size()}, variable.dtype()));
  }
}

void Optimizer::update(const std::vector<Parameter>& parameters, const Gradients& gradients, const OptimizerStep& step) {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Tensor gradient = gradients.of(parameters[parts_[i].parameter].variable);
    if (gradient.defined()) update_part(i, parameters, gradient.contiguous().reshape({gradient.size()}), step);
  }
}

void Optimizer::update_part(std::size_t i, const std::vector<Parameter>& parameters, const Tensor& gradient,
                            const OptimizerStep& step) {
  const ParameterPart& part = parts_[i];
  const Tensor whole = parameters[part.parameter].variable.value();
  Tensor value = whole.reshape({whole.size()}).narrow(0, part.begin, part.size());
  const OptimizerConfig& config = decays_[i] != 0 ? config_ : without_decay_;
  if (config_.clip_value == 0) return kind_.update(config, step, gradient, value, slots_[i]);
  const Tensor clipped = Tensor::empty(gradient.shape(), gradient.dtype());
  dispatch_float(gradient.dtype(), [&]<class T>(T) {
    Tensor target = clipped;
    clip_elements(static_cast<T>(step.gradient_scale), static_cast<T>(config_.clip_value), gradient.data<T>(),
                  target.data<T>(), gradient.size());
  });
  kind_.update(config, {step.number, step.learning_rate, 1.0}, clipped, value, slots_[i]);
}

std::map<std::string, Tensor> Optimizer::state() const {
  std::map<std::string, Tensor> state;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    for (std::size_t k = 0; k < slot_names_.size(); ++k)
      state[state_name(names_[i], slot_names_[k])] = slots_[i][k].reshape(shapes_[i]);
  }
  return state;
}

void Optimizer::load(const std::map<std::string, Tensor>& saved) {
  for (auto& [name, tensor] : state()) {
    Tensor target = tensor;
    target.copy_from(check_saved_state(saved, name, tensor.shape()).to(tensor.dtype()));
  }
}

const Tensor& check_saved_state(const std::map<std::string, Tensor>& saved, const std::string& name, const Shape& shape) {
  const auto found = saved.find(name);
  check<InputError>(found != saved.end(), "optimizer state: tensor '", name, "' is missing");
  check<InputError>(found->second.shape() == shape, "optimizer state: tensor '", name, "' has shape ", found->second.shape(),
                    ", expected ", shape);
  return found->second;
}

bool decays(const OptimizerConfig& config, const std::string& name, const Shape& shape) {
  if (shape.rank() <= 1) return config.decay_norms_and_biases;
  const bool is_table =
      name.find(".embed_tokens.") != std::string::npos || name.find(".embed_positions.") != std::string::npos;
  return config.decay_embeddings || !is_table;
}

std::string state_name(const std::string& parameter, const std::string& slot) { return concat(parameter, '.', slot); }

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
