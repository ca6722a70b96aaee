#pragma once
/// \file
/// From the tensors of a file to the parameters of a model.

#include <string>
#include <vector>

#include "layers/parameters.h"
#include "train/store/safetensors.h"

namespace cosformer {

/// Throws InputError that begins with `source` if a tensor is missing, unknown or of another shape.
void check_parameters(const std::vector<Parameter>& parameters, const TensorMap& weights, const std::string& source);

/// `check_parameters`, and throws InputError for a value that is infinite or not a number.
void check_usable(const std::vector<Parameter>& parameters, const TensorMap& weights, const std::string& source);

/// Copies `weights` into the model's parameters after `check_parameters`.
void load_parameters(const std::vector<Parameter>& parameters, const TensorMap& weights, const std::string& source);

}  // namespace cosformer
