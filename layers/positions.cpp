#include "layers/positions.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "core/error.h"

namespace cosformer {

namespace {

/// Positions that share one directly computed angle; the others follow by the sum formulas, in double.
constexpr std::int64_t kWaveBlock = 64;

/// sin and cos of (first + p) · frequency for p < count, a row per position.
class Waves {
 public:
  Waves(std::span<const double> frequencies, std::int64_t first, std::int64_t count)
      : width_(frequencies.size()), values_(2 * width_ * static_cast<std::size_t>(count)) {
    for (std::int64_t p = 0; p < count; ++p) {
      for (std::size_t i = 0; i < width_; ++i) {
        const double angle = static_cast<double>(first + p) * frequencies[i];
        values_[row(p) + i] = std::sin(angle);
        values_[row(p) + width_ + i] = std::cos(angle);
      }
    }
  }
  const double* sines(std::int64_t p) const { return values_.data() + row(p); }
  const double* cosines(std::int64_t p) const { return sines(p) + width_; }

 private:
  std::size_t row(std::int64_t p) const { return 2 * width_ * static_cast<std::size_t>(p); }

  std::size_t width_;
  std::vector<double> values_;
};

}  // namespace

PositionEmbedding::PositionEmbedding(const Scope& scope, Positions kind, std::int64_t max_length, std::int64_t embed_dim)
    : kind_(kind) {
  if (kind == Positions::learned) learned_.emplace(scope / "embed_positions", max_length, embed_dim, 0.02);
}

Variable PositionEmbedding::forward(const Variable& x, std::int64_t start, const Pass& pass) const {
  if (!adds_to_tokens()) return x;
  const std::int64_t length = x.dim(1), embed_dim = x.dim(2);
  if (kind_ == Positions::sinusoidal) {
    return add_rows(x, Variable(sinusoidal_positions(start, length, embed_dim, x.dtype())));
  }
  return add_rows(x, narrow(learned_table(start + length, pass), 0, start, length));
}

Variable PositionEmbedding::forward_at(const Variable& x, const Tensor& positions, const Pass& pass) const {
  if (!adds_to_tokens() || positions.size() == 0) return x;
  const std::int64_t length = std::ranges::max(positions.span<std::int32_t>()) + std::int64_t{1};
  const Variable table = kind_ == Positions::sinusoidal ? Variable(sinusoidal_positions(0, length, x.dim(2), x.dtype()))
                                                        : learned_table(length, pass);
  return add(x, embedding(table, positions));
}

Variable PositionEmbedding::learned_table(std::int64_t length, const Pass& pass) const {
  const Variable table = pass.use(learned_->weight());
  check<InputError>(length <= table.dim(0), "model.max_length: ", table.dim(0), " learned positions cannot serve a text of ",
                    length, " tokens");
  return table;
}

Tensor sinusoidal_positions(std::int64_t start, std::int64_t length, std::int64_t embed_dim, DType dtype) {
  Tensor table = Tensor::zeros({length, embed_dim}, dtype);
  const std::int64_t half = embed_dim / 2;
  if (half == 0 || length == 0) return table;
  std::vector<double> frequencies(static_cast<std::size_t>(half));
  for (std::int64_t i = 0; i < half; ++i) {
    frequencies[static_cast<std::size_t>(i)] =
        std::exp(-std::log(10000.0) * static_cast<double>(i) / static_cast<double>(std::max<std::int64_t>(half - 1, 1)));
  }
  const Waves steps(frequencies, 0, std::min(kWaveBlock, length));
  dispatch_float(dtype, [&]<class T>(T) {
    T* row = table.data<T>();
    for (std::int64_t begin = 0; begin < length; begin += kWaveBlock) {
      const Waves base(frequencies, start + begin, 1);
      for (std::int64_t t = 0; t < std::min(kWaveBlock, length - begin); ++t, row += embed_dim) {
        const double *sine = steps.sines(t), *cosine = steps.cosines(t), *base_sine = base.sines(0),
                     *base_cosine = base.cosines(0);
        for (std::int64_t i = 0; i < half; ++i) {
          row[i] = static_cast<T>(base_sine[i] * cosine[i] + base_cosine[i] * sine[i]);
          row[half + i] = static_cast<T>(base_cosine[i] * cosine[i] - base_sine[i] * sine[i]);
        }
      }
    }
  });
  return table;
}

}  // namespace cosformer
