#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/kernels/optimizer.h"
#include "train/optimizers/optimizer.h"

namespace cosformer {

namespace {

/// One parameter's numbers, as kernels take them.
template <class T>
struct Numbers {
  const T* gradient;
  T* value;
  std::array<T*, 2> slots;  ///< null if there are fewer
  std::int64_t size;
};

/// A row's `update` from a generic lambda that takes Numbers<float> or Numbers<double>.
template <auto kRule>
void update_by(const OptimizerConfig& config, const OptimizerStep& step, const Tensor& gradient, Tensor& value,
               std::span<Tensor> slots) {
  dispatch_float(value.dtype(), [&]<class T>(T) {
    Numbers<T> numbers{gradient.data<T>(), value.data<T>(), {}, value.size()};
    for (std::size_t i = 0; i < slots.size(); ++i) numbers.slots[i] = slots[i].data<T>();
    kRule(config, step, numbers);
  });
}

AdamWStep adam_step(const OptimizerConfig& config, const OptimizerStep& step) {
  const auto [beta1, beta2] = optimizer_betas(config);
  const auto number = static_cast<double>(step.number);
  return {.beta1 = beta1,
          .beta2 = beta2,
          .eps = config.eps,
          .step_size = step.learning_rate / (1.0 - std::pow(beta1, number)),
          .sqrt_correction = std::sqrt(1.0 - std::pow(beta2, number)),
          .decay = 0.0,
          .gradient_scale = 1.0};
}

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as torch.optim.AdamW.
constexpr auto adamw = [](const OptimizerConfig& config, const OptimizerStep& step, const auto& p) {
  AdamWStep settings = adam_step(config, step);
  settings.decay = step.learning_rate * config.weight_decay;
  settings.gradient_scale = step.gradient_scale;
  adamw_update(settings, p.gradient, p.value, p.slots[0], p.slots[1], p.size);
};

/// Adam with weight decay added to the gradient (Kingma and Ba, 2015), as torch.optim.Adam.
constexpr auto adam = []<class T>(const OptimizerConfig& config, const OptimizerStep& step, const Numbers<T>& p) {
  Tensor sum = Tensor::empty({p.size}, dtype_of<T>());
  scale_elements(static_cast<T>(step.gradient_scale), p.gradient, sum.data<T>(), p.size);
  accumulate_scaled(static_cast<T>(config.weight_decay), p.value, sum.data<T>(), p.size);
  adamw_update(adam_step(config, step), sum.data<T>(), p.value, p.slots[0], p.slots[1], p.size);
};

/// Stochastic gradient descent with momentum, plain or Nesterov's, as torch.optim.SGD.
constexpr auto sgd = [](const OptimizerConfig& config, const OptimizerStep& step, const auto& p) {
  const SgdStep settings{.learning_rate = step.learning_rate,
                         .momentum = config.momentum,
                         .weight_decay = config.weight_decay,
                         .gradient_scale = step.gradient_scale,
                         .nesterov = config.nesterov};
  sgd_update(settings, p.gradient, p.value, p.slots[0], p.size);
};

/// The sign of an interpolated momentum, with decoupled weight decay (Chen et al., 2023, Symbolic Discovery of Optimization
/// Algorithms, algorithm 2).
constexpr auto lion = [](const OptimizerConfig& config, const OptimizerStep& step, const auto& p) {
  const auto [beta1, beta2] = optimizer_betas(config);
  const LionStep settings{.beta1 = beta1,
                          .beta2 = beta2,
                          .learning_rate = step.learning_rate,
                          .decay = step.learning_rate * config.weight_decay,
                          .gradient_scale = step.gradient_scale};
  lion_update(settings, p.gradient, p.value, p.slots[0], p.size);
};

using Slots = std::vector<std::string>;
Slots one_moment(const OptimizerConfig&) { return {"m"}; }
Slots two_moments(const OptimizerConfig&) { return {"m", "v"}; }
Slots velocity(const OptimizerConfig& config) { return config.momentum != 0 ? Slots{"velocity"} : Slots{}; }

constexpr std::array<double, 2> kAdamBetas = {0.9, 0.95};
constexpr OptimizerKind kKinds[] = {
    {.name = "adamw", .betas = kAdamBetas, .has_momentum = false, .slots = two_moments, .update = update_by<adamw>},
    {.name = "adam", .betas = kAdamBetas, .has_momentum = false, .slots = two_moments, .update = update_by<adam>},
    {.name = "sgd", .betas = kAdamBetas, .has_momentum = true, .slots = velocity, .update = update_by<sgd>},
    {.name = "lion", .betas = {0.9, 0.99}, .has_momentum = false, .slots = one_moment, .update = update_by<lion>},
};

}  // namespace

std::span<const OptimizerKind> optimizer_kinds() { return kKinds; }

}  // namespace cosformer
