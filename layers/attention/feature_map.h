#pragma once
/// \file
/// Feature maps of linear attention by name.

#include <cstdint>
#include <span>
#include <string_view>

#include "core/kernels/scalar_function.h"

namespace cosformer {

/// What stands before the function of each number: nothing, random directions, or learned ones.
enum class FeatureProjection : std::uint8_t { none, random, learned };

/// A feature map: a function of each number, done inside the attention kernel, or a projection before it (head_features.h).
struct FeatureMapKind {
  const char* name;
  ScalarFunction elementwise;  ///< what the kernel applies
  FeatureProjection projection;
  bool never_negative;  ///< no similarity is negative
  const char* description;
};

/// Every scalar function, `favor` and `hedgehog`.
std::span<const FeatureMapKind> feature_maps();

/// Throws InputError for an unknown name, with the nearest one.
const FeatureMapKind& find_feature_map(std::string_view name);

}  // namespace cosformer
