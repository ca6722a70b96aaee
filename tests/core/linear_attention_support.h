#pragma once
/// \file
/// Names and angle steps for tests of linear attention.

#include <cstdint>
#include <numbers>
#include <vector>

#include "core/kernels/linear_attention.h"

namespace cosformer::test {

inline const char* name_of(FeatureMap map) {
  switch (map) {
    case FeatureMap::identity:
      return "identity";
    case FeatureMap::leaky_relu:
      return "leaky_relu";
    case FeatureMap::relu:
      return "relu";
    case FeatureMap::elu:
      return "elu";
  }
  return "";
}

inline const char* name_of(LinearAttentionForm form) {
  switch (form) {
    case LinearAttentionForm::automatic:
      return "automatic";
    case LinearAttentionForm::quadratic:
      return "quadratic";
    case LinearAttentionForm::linear:
      return "linear";
    case LinearAttentionForm::chunked:
      return "chunked";
    case LinearAttentionForm::recurrent:
      return "recurrent";
  }
  return "";
}

/// The angle step of each item: those of lengths `length`, `length` + 1, ...
inline std::vector<double> steps(std::int64_t batch, double length) {
  std::vector<double> all;
  for (std::int64_t b = 0; b < batch; ++b) all.push_back(std::numbers::pi / (2 * (length + static_cast<double>(b))));
  return all;
}

}  // namespace cosformer::test
