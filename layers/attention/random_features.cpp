#include "layers/attention/random_features.h"

#include <cmath>

#include "core/random.h"

namespace cosformer {

Tensor orthogonal_features(const AttentionSetting& setting, std::int64_t num_features) {
  const std::int64_t dim = setting.head_dim;
  Tensor features = Tensor::empty({setting.num_heads, num_features, dim}, DType::float64);
  double* all = features.data<double>();
  const Random random(setting.scope.store().seed(), "favor/" + setting.scope.path());
  for (std::int64_t row = 0; row < setting.num_heads * num_features; ++row) {
    double* w = all + row * dim;
    double squared_length = 0;
    for (std::int64_t i = 0; i < dim; ++i) {
      w[i] = random.normal(static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(i));
      squared_length += w[i] * w[i];
    }
    // Gram-Schmidt against the earlier rows of the block; the length stays that of the normal vector drawn.
    const std::int64_t in_head = row % num_features;
    for (std::int64_t earlier = row - in_head % dim; earlier < row; ++earlier) {
      const double* u = all + earlier * dim;
      double dot = 0, norm = 0;
      for (std::int64_t i = 0; i < dim; ++i) dot += u[i] * w[i], norm += u[i] * u[i];
      for (std::int64_t i = 0; i < dim; ++i) w[i] -= dot / norm * u[i];
    }
    double rest = 0;
    for (std::int64_t i = 0; i < dim; ++i) rest += w[i] * w[i];
    const double factor = std::sqrt(squared_length / rest);
    for (std::int64_t i = 0; i < dim; ++i) w[i] *= factor;
  }
  return features;
}

}  // namespace cosformer
