#pragma once
/// \file
/// Performer's random features of an attention layer.

#include "autograd/ops.h"
#include "layers/attention/attention.h"

namespace cosformer {

/// Orthogonal random directions [H, F, D] (float64): rows are orthogonal within blocks of D and have the norms of
/// normal vectors, a function of the store's seed and the scope's path. Source: Choromanski et al., ICLR 2021, section 2.4.
Tensor orthogonal_features(const AttentionSetting& setting, std::int64_t num_features);

/// The features of queries and keys of one layer, or no features.
class RandomFeatures {
 public:
  RandomFeatures() = default;
  RandomFeatures(const AttentionSetting& setting, std::int64_t num_features)
      : projection_(orthogonal_features(setting, num_features)), projection32_(projection_.to(DType::float32)) {}

  explicit operator bool() const { return projection_.defined(); }
  /// Features of a head; 0 if there are none.
  std::int64_t count() const { return projection_.defined() ? projection_.dim(1) : 0; }
  /// x [B, T, H, D] -> [B, T, H, F], or x.
  Variable of(const Variable& x) const {
    if (!projection_.defined()) return x;
    return favor_features(x, x.dtype() == DType::float32 ? projection32_ : projection_);
  }

 private:
  Tensor projection_, projection32_;
};

}  // namespace cosformer
