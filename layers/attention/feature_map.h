#pragma once
/// \file
/// Feature maps of linear attention by name.

#include <span>
#include <string_view>

#include "core/kernels/linear_attention.h"
#include "core/tensor.h"
#include "layers/attention/attention.h"

namespace cosformer {

/// A feature map: elementwise, done inside the attention kernel, or a projection on random features before it.
struct FeatureMapKind {
  const char* name;
  FeatureMap elementwise;   ///< what the kernel applies
  bool random_features;     ///< Performer's features first
  const char* description;
};

std::span<const FeatureMapKind> feature_maps();

/// Throws InputError for an unknown name, with the nearest one.
const FeatureMapKind& find_feature_map(std::string_view name);

/// Orthogonal random directions [H, F, D] (float64): rows are orthogonal within blocks of D and have the norms of
/// normal vectors, a function of (seed, path). Source: Choromanski et al., ICLR 2021, section 2.4.
Tensor orthogonal_features(const AttentionSetting& setting, std::int64_t num_features);

}  // namespace cosformer
