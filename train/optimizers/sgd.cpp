#include <utility>

#include "core/kernels/optimizer.h"
#include "train/optimizers/variants.h"

namespace cosformer {

namespace {

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerConfig& config, const std::vector<Parameter>& parameters) : config_(config) {
    if (config.momentum == 0) return;
    for (const Parameter& parameter : parameters) {
      const Tensor& value = parameter.variable.value();
      velocity_[parameter.name] = Tensor::zeros(value.shape(), value.dtype());
    }
  }

  void update(const std::vector<Parameter>& parameters, const Gradients& gradients, std::int64_t, double learning_rate,
              double gradient_scale) override {
    const SgdStep settings{.learning_rate = learning_rate,
                           .momentum = config_.momentum,
                           .weight_decay = config_.weight_decay,
                           .gradient_scale = gradient_scale,
                           .nesterov = config_.nesterov};
    for (const Parameter& parameter : parameters) {
      if (!gradients.of(parameter.variable).defined()) continue;
      const Tensor gradient = gradients.of(parameter.variable).contiguous();
      Tensor value = parameter.variable.value();
      const auto velocity = velocity_.find(parameter.name);
      dispatch_float(value.dtype(), [&](auto type) {
        using T = decltype(type);
        sgd_update(settings, gradient.data<T>(), value.data<T>(), velocity == velocity_.end() ? nullptr : velocity->second.data<T>(),
                   value.size());
      });
    }
  }

  std::map<std::string, Tensor> state() const override {
    std::map<std::string, Tensor> state;
    for (const auto& [name, tensor] : velocity_) state[name + ".velocity"] = tensor;
    return state;
  }

 private:
  OptimizerConfig config_;
  std::map<std::string, Tensor> velocity_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config, const std::vector<Parameter>& parameters) {
  return std::make_unique<Sgd>(config, parameters);
}

}  // namespace cosformer
