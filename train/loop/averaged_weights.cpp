#include "train/loop/averaged_weights.h"

#include <algorithm>
#include <iterator>

#include "core/parallel.h"
#include "train/optimizers/optimizer.h"

namespace cosformer {

namespace {

constexpr const char* kWaiting = "live";

}  // namespace

AveragedWeights::AveragedWeights(double decay, const std::vector<Parameter>& parameters) : decay_(decay) {
  if (decay_ <= 0) return;
  std::ranges::copy_if(parameters, std::back_inserter(parameters_), &Parameter::is_trained);
  for (const Parameter& parameter : parameters_) others_.push_back(parameter.variable.value().clone());
}

void AveragedWeights::update(std::int64_t number) {
  const auto done = static_cast<double>(number);
  const double rest = 1.0 - std::min(decay_, (1.0 + done) / (10.0 + done));
  for (std::size_t p = 0; p < others_.size(); ++p) {
    const Tensor value = parameters_[p].variable.value();
    dispatch_float(value.dtype(), [&]<class T>(T) {
      const T* from = value.data<T>();
      T* to = others_[p].data<T>();
      parallel_ranges(value.size(), kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) to[i] += static_cast<T>(rest) * (from[i] - to[i]);
      });
    });
  }
}

void AveragedWeights::exchange() {
  for (std::size_t p = 0; p < others_.size(); ++p) {
    Tensor value = parameters_[p].variable.value();
    dispatch_float(value.dtype(), [&]<class T>(T) { std::ranges::swap_ranges(value.span<T>(), others_[p].span<T>()); });
  }
}

void AveragedWeights::add_waiting(std::map<std::string, Tensor>& state) const {
  for (std::size_t p = 0; p < others_.size(); ++p) state[state_name(parameters_[p].name, kWaiting)] = others_[p];
}

void AveragedWeights::check_waiting(const std::map<std::string, Tensor>& state) const {
  for (std::size_t p = 0; p < others_.size(); ++p) {
    check_saved_state(state, state_name(parameters_[p].name, kWaiting), others_[p].shape());
  }
}

void AveragedWeights::take_average() {
  for (std::size_t p = 0; p < others_.size(); ++p) others_[p].copy_from(parameters_[p].variable.value());
}

void AveragedWeights::restore_waiting(const std::map<std::string, Tensor>& state) const {
  for (std::size_t p = 0; p < others_.size(); ++p) {
    Tensor value = parameters_[p].variable.value();
    value.copy_from(check_saved_state(state, state_name(parameters_[p].name, kWaiting), value.shape()).to(value.dtype()));
  }
}

}  // namespace cosformer
