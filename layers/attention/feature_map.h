#pragma once
/// \file
/// Feature maps of linear attention by name.

#include <span>
#include <string_view>

#include "core/kernels/scalar_function.h"

namespace cosformer {

/// A feature map: a function of each number, done inside the attention kernel, or a projection on random features before it.
struct FeatureMapKind {
  const char* name;
  ScalarFunction elementwise;  ///< what the kernel applies
  bool random_features;        ///< Performer's features first
  bool never_negative;         ///< no similarity is negative
  const char* description;
};

/// Every scalar function, and `favor`.
std::span<const FeatureMapKind> feature_maps();

/// Throws InputError for an unknown name, with the nearest one.
const FeatureMapKind& find_feature_map(std::string_view name);

}  // namespace cosformer
