#pragma once
/// \file
/// What linear attention makes of queries and keys before its kernel's function of each number.

#include <cstdint>

#include "layers/attention/feature_map.h"
#include "layers/attention/random_features.h"

namespace cosformer {

/// Heads as they are, Performer's random features of them, or Hedgehog's learned ones. Copies share directions and
/// parameters.
///
/// Hedgehog's map is [softmax(W x), softmax(−W x)] with a W of its own for each layer, head and side, which begins as the
/// identity (Zhang et al., ICLR 2024, section 4.2; the authors' code, like this, has no 1/√d and no bias): parameters
/// `feature_map_q.weight` and `feature_map_k.weight` [H, F, D], F = attention.num_features.
class HeadFeatures {
 public:
  HeadFeatures() = default;
  /// Throws InputError for unusable options.
  HeadFeatures(const FeatureMapKind& map, const AttentionConfig& config, const AttentionSetting& setting);

  /// [B, T, H, D] -> [B, T, H, width]; of other heads' widths than the setting's, if there is no projection.
  Variable of_query(const Variable& x, const Pass& pass) const { return of(x, query_weight_, pass); }
  Variable of_key(const Variable& x, const Pass& pass) const { return of(x, key_weight_, pass); }

  /// Numbers of a row that the kernel gets.
  std::int64_t width() const { return width_; }
  /// Of a row: floating-point operations of a learned projection (those of random directions are not counted), and numbers
  /// kept for the backward pass.
  double flops() const { return is_learned() ? 2.0 * static_cast<double>(projected_ * head_dim_) : 0; }
  std::int64_t saved_numbers() const { return projected_ == 0 ? 0 : is_learned() ? projected_ + width_ : width_; }

 private:
  bool is_learned() const { return query_weight_.defined(); }
  Variable of(const Variable& x, const Variable& weight, const Pass& pass) const;

  RandomDirections directions_;
  Variable query_weight_, key_weight_;
  std::int64_t head_dim_ = 0;
  std::int64_t projected_ = 0;  ///< rows of a head's projection; 0 = none
  std::int64_t width_ = 0;
};

}  // namespace cosformer
