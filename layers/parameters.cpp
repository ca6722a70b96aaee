#include "layers/parameters.h"

#include <cmath>

#include "core/error.h"
#include "core/name_pattern.h"
#include "core/parallel.h"
#include "core/random.h"
#include "layers/low_rank_adapter.h"

namespace cosformer {

Initializer Initializer::xavier(std::int64_t fan_in, std::int64_t fan_out, double gain) {
  return uniform(gain * std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)));
}

Variable ParameterStore::create(std::string name, const Shape& shape, const Initializer& initializer) {
  check<Error>(names_.insert(name).second, "two parameters are named '", name, "'");
  if (values_ == ParameterValues::shapes_only) {
    return add(std::move(name), Tensor::zeros({}, dtype_).expand(shape));
  }
  check<Error>(initializer.kind != Initializer::Kind::listed || std::ssize(initializer.values) == shape.size(),
               "parameter '", name, "' of shape ", shape, " starts with ", initializer.values.size(), " values");
  Tensor value = Tensor::empty(shape, dtype_);
  const Random random(seed_, "init/" + name);
  dispatch_float(dtype_, [&]<class T>(T) {
    const auto elements = value.span<T>();
    parallel_ranges(shape.size(), kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto index = static_cast<std::uint64_t>(i);
        double element = initializer.value;
        if (initializer.kind == Initializer::Kind::normal) element *= random.normal(index);
        if (initializer.kind == Initializer::Kind::uniform) element *= 2.0 * random.uniform(index) - 1.0;
        if (initializer.kind == Initializer::Kind::listed) element = initializer.values[static_cast<std::size_t>(i)];
        elements[static_cast<std::size_t>(i)] = static_cast<T>(element);
      }
    });
  });
  return add(std::move(name), std::move(value));
}

Variable ParameterStore::add(std::string name, Tensor value) {
  Variable variable = is_trained(name) ? Variable::leaf(std::move(value)) : Variable(std::move(value));
  parameters_.push_back({std::move(name), std::move(variable)});
  return parameters_.back().variable;
}

bool ParameterStore::is_trained(const std::string& name) const {
  const auto& [lora, trainable] = adaptation_;
  if (matches_any(trainable, name)) return true;
  return lora.rank > 0 ? is_of_adapter(name) : trainable.empty();
}

bool ParameterStore::add_linear_layer(const std::string& name) {
  linear_layers_.push_back(name);
  return adaptation_.lora.rank > 0 && matches_any(adaptation_.lora.targets, name);
}

void ParameterStore::check_adaptation() const {
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters_) names.push_back(parameter.name);
  check_patterns(adaptation_.trainable, names, "train.trainable", "parameter");
  if (adaptation_.lora.rank > 0) check_patterns(adaptation_.lora.targets, linear_layers_, "lora.targets", "linear layer");
}

std::int64_t count_elements(const std::vector<Parameter>& parameters) {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters) count += parameter.variable.value().size();
  return count;
}

std::int64_t count_trained(const std::vector<Parameter>& parameters) {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters) count += parameter.is_trained() ? parameter.variable.value().size() : 0;
  return count;
}

}  // namespace cosformer
