#include "train/store/model_parameters.h"

#include <string_view>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/kernels/optimizer.h"

namespace cosformer {

void check_parameters(const std::vector<Parameter>& parameters, const TensorMap& weights, const std::string& source) {
  std::unordered_set<std::string_view> known;
  for (const Parameter& parameter : parameters) {
    const auto found = weights.find(parameter.name);
    check<InputError>(found != weights.end(), source, ": tensor \"", parameter.name, "\" is missing");
    check<InputError>(found->second.shape() == parameter.variable.shape(), source, ": tensor \"", parameter.name,
                      "\" has shape ", found->second.shape(), ", the config asks for ", parameter.variable.shape());
    known.insert(parameter.name);
  }
  for (const auto& [name, tensor] : weights) {
    check<InputError>(known.contains(name), source, ": tensor \"", name, "\" belongs to no parameter of the config's model");
  }
}

void check_usable(const std::vector<Parameter>& parameters, const TensorMap& weights, const std::string& source) {
  check_parameters(parameters, weights, source);
  for (const auto& [name, tensor] : weights) {
    const Tensor dense = tensor.contiguous();
    const bool finite = dispatch_float(
        dense.dtype(), [&dense]<class T>(T) { return all_finite(std::as_const(dense).data<T>(), dense.size()); });
    check<InputError>(finite, source, ": tensor '", name, "' has values that are infinite or not a number");
  }
}

void load_parameters(const std::vector<Parameter>& parameters, const TensorMap& weights, const std::string& source) {
  check_parameters(parameters, weights, source);
  for (const Parameter& parameter : parameters) {
    Tensor value = parameter.variable.value();
    value.copy_from(weights.at(parameter.name).to(value.dtype()));
  }
}

}  // namespace cosformer
