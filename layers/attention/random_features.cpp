#include "layers/attention/random_features.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/random.h"

namespace cosformer {

namespace {

/// What the directions of a layer are a function of.
struct Source {
  explicit Source(const AttentionSetting& setting)
      : seed(setting.draw_seed()),
        stream(stream_id("favor/" + setting.scope.path())),
        heads(setting.num_heads),
        dim(setting.head_dim) {}

  Tensor draw(std::int64_t num_features, std::int64_t index) const;

  std::uint64_t seed, stream;
  std::int64_t heads, dim;
};

Tensor Source::draw(std::int64_t num_features, std::int64_t index) const {
  Tensor features = Tensor::empty({heads, num_features, dim}, DType::float64);
  double* all = features.data<double>();
  const Random random(seed, stream + 0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(index));
  for (std::int64_t row = 0; row < heads * num_features; ++row) {
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

}  // namespace

Tensor orthogonal_features(const AttentionSetting& setting, std::int64_t num_features, std::int64_t draw) {
  return Source(setting).draw(num_features, draw);
}

std::int64_t feature_count(const AttentionConfig& config, std::int64_t head_dim) {
  if (config.num_features == 0) return head_dim;
  if (config.num_features != kDLogD) return config.num_features;
  const auto d = static_cast<double>(head_dim);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(d * std::log(d)));
}

/// Keeps the first draw and the latest one. Threads of one step ask for the same.
class RandomDirections::Drawer {
 public:
  Drawer(const AttentionSetting& setting, std::int64_t count, std::int64_t redraw_every)
      : source_(setting), count_(count), redraw_every_(redraw_every) {}

  Tensor draw(DType dtype, const Pass& pass) {
    const std::int64_t index = pass.training && redraw_every_ > 0 ? pass.step / redraw_every_ : 0;
    const std::lock_guard lock(mutex_);
    Kept& kept = kept_[index == 0 ? 0 : 1];
    if (kept.index != index) {
      kept.wide = source_.draw(count_, index);
      kept.narrow = kept.wide.to(DType::float32);
      kept.index = index;
    }
    return dtype == DType::float32 ? kept.narrow : kept.wide;
  }

 private:
  struct Kept {
    std::int64_t index = -1;
    Tensor wide, narrow;
  };

  Source source_;
  std::int64_t count_, redraw_every_;
  std::mutex mutex_;
  std::array<Kept, 2> kept_;
};

RandomDirections::RandomDirections(const AttentionSetting& setting, std::int64_t count, std::int64_t redraw_every)
    : count_(count) {
  check<InputError>(redraw_every >= 0, "attention.redraw_every: expected at least 0, found ", redraw_every);
  check<InputError>(count >= 1, "attention.num_features: expected at least 1, found ", count);
  drawer_ = std::make_shared<Drawer>(setting, count, redraw_every);
}

Tensor RandomDirections::draw(DType dtype, const Pass& pass) const { return drawer_->draw(dtype, pass); }

}  // namespace cosformer
