#include "layers/attention/head_features.h"

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace cosformer {

namespace {

/// The identity in each head, [H, F, D]; of F ≠ D as much of it as there is.
Initializer identities(std::int64_t heads, std::int64_t features, std::int64_t dim) {
  std::vector<double> values(static_cast<std::size_t>(heads * features * dim));
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < std::min(features, dim); ++i)
      values[static_cast<std::size_t>((h * features + i) * dim + i)] = 1;
  }
  return Initializer::listed(std::move(values));
}

}  // namespace

HeadFeatures::HeadFeatures(const FeatureMapKind& map, const AttentionConfig& config, const AttentionSetting& setting)
    : head_dim_(setting.head_dim), width_(setting.head_dim) {
  if (map.projection == FeatureProjection::none) return;
  projected_ = feature_count(config, setting.head_dim);
  width_ = projected_;
  if (map.projection == FeatureProjection::random) {
    directions_ = RandomDirections(setting, projected_, config.redraw_every);
    return;
  }
  check<InputError>(projected_ >= 1, "attention.num_features: expected at least 1, found ", projected_);
  width_ = 2 * projected_;
  const Initializer identity = identities(setting.num_heads, projected_, setting.head_dim);
  const Shape shape{setting.num_heads, projected_, setting.head_dim};
  query_weight_ = (setting.scope / "feature_map_q").create("weight", shape, identity);
  key_weight_ = (setting.scope / "feature_map_k").create("weight", shape, identity);
}

Variable HeadFeatures::of(const Variable& x, const Variable& weight, const Pass& pass) const {
  if (weight.defined()) return softmax_features(head_linear(x, pass.use(weight), Variable()));
  return directions_ ? favor_features(x, directions_.draw(x.dtype(), pass)) : x;
}

}  // namespace cosformer
