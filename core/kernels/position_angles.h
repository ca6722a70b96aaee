#pragma once
/// \file
/// cos and sin of angles that grow with the position. Internal to kernels.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cosformer::detail {

/// Where the rows [batch, length] of an operand stand: `positions`, or first, first + 1, ... in each item.
struct RowPositions {
  std::int64_t length = 0;
  std::int64_t first = 0;
  const std::int32_t* positions = nullptr;

  std::int64_t of(std::int64_t row) const { return positions == nullptr ? first + row % length : positions[row]; }
  /// The least position of `rows` ≥ 1 rows, and how many there are from it to the largest.
  std::int64_t least(std::int64_t rows) const {
    return positions == nullptr ? first : *std::min_element(positions, positions + rows);
  }
  std::int64_t count(std::int64_t rows) const {
    return positions == nullptr ? length : *std::max_element(positions, positions + rows) - least(rows) + 1;
  }
};

/// cos and sin of p · step_i for consecutive positions p, computed in double.
template <class T>
class PositionAngles {
 public:
  PositionAngles(std::span<const double> steps, std::int64_t first, std::int64_t count)
      : first_(first), width_(steps.size()), values_(2 * width_ * static_cast<std::size_t>(count)) {
    // Positions of a block share one directly computed angle; the others follow by the sum formulas.
    constexpr std::int64_t kBlock = 64;
    const auto waves = [&](std::int64_t position) {
      std::vector<double> row(2 * width_);
      for (std::size_t i = 0; i < width_; ++i) {
        row[i] = std::cos(static_cast<double>(position) * steps[i]);
        row[width_ + i] = std::sin(static_cast<double>(position) * steps[i]);
      }
      return row;
    };
    std::vector<std::vector<double>> within;
    for (std::int64_t t = 0; t < std::min(kBlock, count); ++t) within.push_back(waves(t));
    for (std::int64_t begin = 0; begin < count; begin += kBlock) {
      const std::vector<double> start = waves(first + begin);
      for (std::int64_t t = 0; t < std::min(kBlock, count - begin); ++t) {
        const std::vector<double>& step = within[static_cast<std::size_t>(t)];
        T* row = values_.data() + 2 * width_ * static_cast<std::size_t>(begin + t);
        for (std::size_t i = 0; i < width_; ++i) {
          row[i] = static_cast<T>(start[i] * step[i] - start[width_ + i] * step[width_ + i]);
          row[width_ + i] = static_cast<T>(start[width_ + i] * step[i] + start[i] * step[width_ + i]);
        }
      }
    }
  }
  const T* cosines(std::int64_t position) const {
    return values_.data() + 2 * width_ * static_cast<std::size_t>(position - first_);
  }
  const T* sines(std::int64_t position) const { return cosines(position) + width_; }

 private:
  std::int64_t first_;
  std::size_t width_;
  std::vector<T> values_;
};

}  // namespace cosformer::detail
