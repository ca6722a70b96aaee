#include "layers/positions.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cosformer {

PositionEmbedding::PositionEmbedding(const Scope& scope, Positions kind, std::int64_t max_length, std::int64_t embed_dim)
    : kind_(kind) {
  if (kind == Positions::learned) learned_.emplace(scope / "embed_positions", max_length, embed_dim, 0.02);
}

Variable PositionEmbedding::forward(const Variable& x, std::int64_t start, const Pass& pass) const {
  if (kind_ == Positions::none) return x;
  const std::int64_t length = x.dim(1), embed_dim = x.dim(2);
  if (kind_ == Positions::sinusoidal) {
    return add_rows(x, Variable(sinusoidal_positions(start, length, embed_dim, x.dtype())));
  }
  return add_rows(x, narrow(learned_table(start + length, pass), 0, start, length));
}

Variable PositionEmbedding::forward_at(const Variable& x, const Tensor& positions, const Pass& pass) const {
  if (kind_ == Positions::none || positions.size() == 0) return x;
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
  Tensor table = Tensor::zeros({length, embed_dim}, DType::float64);
  const auto values = table.span<double>();
  const std::int64_t half = embed_dim / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    const double frequency =
        std::exp(-std::log(10000.0) * static_cast<double>(i) / static_cast<double>(std::max<std::int64_t>(half - 1, 1)));
    for (std::int64_t t = 0; t < length; ++t) {
      const double angle = static_cast<double>(start + t) * frequency;
      values[static_cast<std::size_t>(t * embed_dim + i)] = std::sin(angle);
      values[static_cast<std::size_t>(t * embed_dim + half + i)] = std::cos(angle);
    }
  }
  return table.to(dtype);
}

}  // namespace cosformer
