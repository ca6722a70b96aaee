#include "core/kernels/rotate_positions.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"

namespace cosformer {

namespace {

/// Positions that share one directly computed angle; the others follow by the sum formulas, in double.
constexpr std::int64_t kBlock = 64;

/// cos and sin of the angles of consecutive positions, a row of D / 2 each.
template <class T>
class Angles {
 public:
  Angles(double base, std::int64_t head_dim, std::int64_t first, std::int64_t count)
      : half_(head_dim / 2), values_(static_cast<std::size_t>(2 * half_ * count)) {
    std::vector<double> steps(static_cast<std::size_t>(half_));
    for (std::int64_t i = 0; i < half_; ++i) {
      steps[static_cast<std::size_t>(i)] = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    }
    const auto waves = [&](std::int64_t position) {
      std::vector<double> row(static_cast<std::size_t>(2 * half_));
      for (std::size_t i = 0; i < steps.size(); ++i) {
        row[i] = std::cos(static_cast<double>(position) * steps[i]);
        row[steps.size() + i] = std::sin(static_cast<double>(position) * steps[i]);
      }
      return row;
    };
    std::vector<std::vector<double>> within;
    for (std::int64_t t = 0; t < std::min(kBlock, count); ++t) within.push_back(waves(t));
    const auto half = static_cast<std::size_t>(half_);
    for (std::int64_t begin = 0; begin < count; begin += kBlock) {
      const std::vector<double> start = waves(first + begin);
      for (std::int64_t t = 0; t < std::min(kBlock, count - begin); ++t) {
        const std::vector<double>& step = within[static_cast<std::size_t>(t)];
        T* row = values_.data() + 2 * half_ * (begin + t);
        for (std::size_t i = 0; i < half; ++i) {
          row[i] = static_cast<T>(start[i] * step[i] - start[half + i] * step[half + i]);
          row[half + i] = static_cast<T>(start[half + i] * step[i] + start[i] * step[half + i]);
        }
      }
    }
  }
  const T* cosines(std::int64_t row) const { return values_.data() + 2 * half_ * row; }
  const T* sines(std::int64_t row) const { return cosines(row) + half_; }

 private:
  std::int64_t half_;
  std::vector<T> values_;
};

}  // namespace

template <class T>
void rotate_positions(std::int64_t batch, std::int64_t length, std::int64_t heads, std::int64_t head_dim,
                      const RotationOptions& options, Heads<const T> x, const Gradient<T>& y) {
  const std::int64_t rows = batch * length, half = head_dim / 2;
  if (rows == 0 || y.data == nullptr) return;
  const std::int32_t* positions = options.positions;
  const std::int64_t first = positions == nullptr ? options.first : *std::min_element(positions, positions + rows);
  const std::int64_t count = positions == nullptr ? length : *std::max_element(positions, positions + rows) - first + 1;
  const Angles<T> angles(options.base, head_dim, first, count);
  const T sign = options.backward ? T{-1} : T{1};
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(heads * head_dim, 1) + 1;
  parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t angle = positions == nullptr ? r % length : positions[r] - first;
      const T *cosines = angles.cosines(angle), *sines = angles.sines(angle);
      for (std::int64_t h = 0; h < heads; ++h) {
        const T* from = x.rows(r / length, h) + r % length * x.seq_stride;
        T* to = y.data + (r * heads + h) * head_dim;
        for (std::int64_t i = 0; i < half; ++i) {
          const T left = from[i] * cosines[i] - sign * from[half + i] * sines[i];
          const T right = from[half + i] * cosines[i] + sign * from[i] * sines[i];
          to[i] = y.add ? to[i] + left : left;
          to[half + i] = y.add ? to[half + i] + right : right;
        }
      }
    }
  });
}

template void rotate_positions<float>(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const RotationOptions&,
                                      Heads<const float>, const Gradient<float>&);
template void rotate_positions<double>(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const RotationOptions&,
                                       Heads<const double>, const Gradient<double>&);

}  // namespace cosformer
