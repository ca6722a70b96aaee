#pragma once
/// \file
/// Small models without a classification head, and the shapes of a model's parameters by name.

#include <map>
#include <string>

#include "layers/model.h"
#include "tests/support/layer_cases.h"

namespace cosformer::test {

using Shapes = std::map<std::string, Shape>;

inline Shapes shapes_of(const Model& model) {
  Shapes shapes;
  for (const Parameter& parameter : model.parameters()) shapes.emplace(parameter.name, parameter.variable.shape());
  return shapes;
}

inline ModelConfig config_of(ModelKind kind) {
  ModelConfig config = small_model(kind, {}, 10);
  config.num_classes = 0;
  return config;
}

}  // namespace cosformer::test
