#include <cmath>
#include <utility>

#include "core/kernels/elementwise.h"
#include "core/kernels/optimizer.h"
#include "train/optimizers/variants.h"

namespace cosformer {

namespace {

/// AdamW, or Adam where the decay goes through the gradient.
class Adam : public Optimizer {
 public:
  Adam(const OptimizerConfig& config, const std::vector<Parameter>& parameters, bool decoupled)
      : config_(config), decoupled_(decoupled) {
    for (const Parameter& parameter : parameters) {
      const Tensor& value = parameter.variable.value();
      moments_[parameter.name] = {Tensor::zeros(value.shape(), value.dtype()), Tensor::zeros(value.shape(), value.dtype())};
    }
  }

  void update(const std::vector<Parameter>& parameters, const Gradients& gradients, std::int64_t step, double learning_rate,
              double gradient_scale) override {
    const auto [beta1, beta2] = config_.betas;
    const AdamWStep settings{.beta1 = beta1,
                             .beta2 = beta2,
                             .eps = config_.eps,
                             .step_size = learning_rate / (1.0 - std::pow(beta1, static_cast<double>(step))),
                             .sqrt_correction = std::sqrt(1.0 - std::pow(beta2, static_cast<double>(step))),
                             .decay = decoupled_ ? learning_rate * config_.weight_decay : 0.0,
                             .gradient_scale = decoupled_ ? gradient_scale : 1.0};
    for (const Parameter& parameter : parameters) {
      Tensor gradient = gradients.of(parameter.variable);
      if (!gradient.defined()) continue;
      Tensor value = parameter.variable.value();
      gradient = decoupled_ ? gradient.contiguous() : with_decay(gradient.contiguous(), value, gradient_scale);
      Moments& moments = moments_.at(parameter.name);
      dispatch_float(value.dtype(), [&](auto type) {
        using T = decltype(type);
        adamw_update(settings, std::as_const(gradient).data<T>(), value.data<T>(), moments.first.data<T>(),
                     moments.second.data<T>(), value.size());
      });
    }
  }

  std::map<std::string, Tensor> state() const override {
    std::map<std::string, Tensor> state;
    for (const auto& [name, moments] : moments_) {
      state[name + ".m"] = moments.first;
      state[name + ".v"] = moments.second;
    }
    return state;
  }

 private:
  struct Moments {
    Tensor first, second;
  };

  Tensor with_decay(const Tensor& gradient, const Tensor& value, double gradient_scale) const {
    Tensor sum = Tensor::empty(gradient.shape(), gradient.dtype());
    dispatch_float(gradient.dtype(), [&](auto type) {
      using T = decltype(type);
      scale_elements(static_cast<T>(gradient_scale), gradient.data<T>(), sum.data<T>(), sum.size());
      accumulate_scaled(static_cast<T>(config_.weight_decay), value.data<T>(), sum.data<T>(), sum.size());
    });
    return sum;
  }

  OptimizerConfig config_;
  bool decoupled_;
  std::map<std::string, Moments> moments_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, const std::vector<Parameter>& parameters) {
  return std::make_unique<Adam>(config, parameters, true);
}

std::unique_ptr<Optimizer> make_adam(const OptimizerConfig& config, const std::vector<Parameter>& parameters) {
  return std::make_unique<Adam>(config, parameters, false);
}

}  // namespace cosformer
