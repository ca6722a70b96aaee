#include <algorithm>
#include <cmath>

#include "core/kernels/linear_attention_head.h"
#include "core/parallel.h"
#include "core/simd.h"

namespace cosformer::detail {

namespace {

/// Rows whose reciprocals are on the stack at once.
constexpr std::int64_t kGradientRows = 64;

/// Positions that share one directly computed angle; those between follow by the sum formulas, in double.
constexpr std::int64_t kAngleBlock = 64;

constexpr double kLeakySlope = 0.01;

/// Slope of the maps without an exponential for negative numbers. At 0 it is theirs too, as in PyTorch.
double negative_slope(FeatureMap map) {
  if (map == FeatureMap::relu) return 0;
  return map == FeatureMap::leaky_relu ? kLeakySlope : 1;
}

/// target = source where source ≥ 0, else slope · source.
void leaky_rows(double slope, std::int64_t count, std::int64_t width, Rows<const float> source, Rows<float> target) {
  simd::tile_loops().leaky(static_cast<float>(slope), count, width, source.data, source.stride, target.data, target.stride);
}

void leaky_rows(double slope, std::int64_t count, std::int64_t width, Rows<const double> source, Rows<double> target) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < width; ++d) {
      const double x = source[i][d];
      target[i][d] = x < 0 ? (slope == 0 ? 0 : slope * x) : x;
    }
  }
}

/// dx = dy where x > 0, else slope · dy.
void leaky_gradient_rows(double slope, std::int64_t count, std::int64_t width, Rows<const float> x, Rows<const float> dy,
                         Rows<float> dx) {
  simd::tile_loops().leaky_gradient(static_cast<float>(slope), count, width, x.data, x.stride, dy.data, dy.stride, dx.data,
                                    dx.stride);
}

void leaky_gradient_rows(double slope, std::int64_t count, std::int64_t width, Rows<const double> x, Rows<const double> dy,
                         Rows<double> dx) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < width; ++d) dx[i][d] = (x[i][d] > 0 ? 1 : slope) * dy[i][d];
  }
}

/// Sets the rows whose mask is 0 to 0.
template <class T>
void zero_masked_rows(std::int64_t count, std::int64_t width, const std::uint8_t* mask, Rows<T> target) {
  if (mask == nullptr) return;
  for (std::int64_t i = 0; i < count; ++i) {
    if (mask[i] == 0) zero_rows(1, width, target.from(i));
  }
}

/// y = exp(min(x, 0)): both elu's slope and, with max(x, 0) added, elu(x) + 1.
template <class T>
void exp_of_negative_part(const T* x, T* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? T{0} : x[i];
  row_exp_sum(y, T{1}, T{0}, y, n);
}

std::vector<std::int64_t> index_of_distinct(std::span<const double> steps, std::vector<double>* distinct) {
  std::vector<std::int64_t> indices;
  for (const double step : steps) {
    const auto found = std::ranges::find(*distinct, step);
    indices.push_back(found - distinct->begin());
    if (found == distinct->end()) distinct->push_back(step);
  }
  return indices;
}

/// cos and sin of (p + 1) · step for p below `length`, a pair of rows a step.
template <class T>
Scratch<T> consecutive_angles(std::span<const double> steps, std::int64_t length) {
  const auto count = static_cast<std::int64_t>(steps.size());
  Scratch<T> rows(2 * count, length);
  parallel_for(count, [&](std::int64_t row) {
    const double step = steps[static_cast<std::size_t>(row)];
    double block_cos[kAngleBlock], block_sin[kAngleBlock];
    for (std::int64_t i = 0; i < std::min(kAngleBlock, length); ++i) {
      block_cos[i] = std::cos(static_cast<double>(i) * step);
      block_sin[i] = std::sin(static_cast<double>(i) * step);
    }
    T* cosines = rows[2 * row];
    T* sines = rows[2 * row + 1];
    for (std::int64_t begin = 0; begin < length; begin += kAngleBlock) {
      const double c = std::cos(static_cast<double>(begin + 1) * step), s = std::sin(static_cast<double>(begin + 1) * step);
      for (std::int64_t i = 0; i < std::min(kAngleBlock, length - begin); ++i) {
        cosines[begin + i] = static_cast<T>(c * block_cos[i] - s * block_sin[i]);
        sines[begin + i] = static_cast<T>(s * block_cos[i] + c * block_sin[i]);
      }
    }
  });
  return rows;
}

}  // namespace

template <class T>
AngleTable<T>::AngleTable(std::span<const double> steps, std::int64_t length, const std::int32_t* positions) : rows_(0, 0) {
  std::vector<double> distinct;
  row_of_item_ = index_of_distinct(steps, &distinct);
  const auto items = static_cast<std::int64_t>(steps.size());
  if (positions == nullptr || items * length == 0) {
    rows_ = consecutive_angles<T>(distinct, length);
    return;
  }
  const std::int64_t last = *std::max_element(positions, positions + items * length);
  const Scratch<T> consecutive = consecutive_angles<T>(distinct, last + 1);
  rows_ = Scratch<T>(2 * items, length);
  parallel_for(items, [&](std::int64_t b) {
    std::int64_t& row = row_of_item_[static_cast<std::size_t>(b)];
    const T* cosines = consecutive[2 * row];
    const T* sines = consecutive[2 * row + 1];
    row = b;
    for (std::int64_t i = 0; i < length; ++i) {
      rows_[2 * b][i] = cosines[positions[b * length + i]];
      rows_[2 * b + 1][i] = sines[positions[b * length + i]];
    }
  });
}

template <class T>
void feature_rows(FeatureMap map, std::int64_t count, std::int64_t width, Rows<const T> source, const std::uint8_t* mask,
                  Rows<T> target) {
  if (map != FeatureMap::elu) {
    leaky_rows(negative_slope(map), count, width, source, target);
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      const T* x = source[i];
      T* y = target[i];
      exp_of_negative_part(x, y, width);
      for (std::int64_t d = 0; d < width; ++d) y[d] += x[d] > 0 ? x[d] : T{0};
    }
  }
  zero_masked_rows(count, width, mask, target);
}

template <class T>
void feature_gradient_rows(FeatureMap map, std::int64_t count, std::int64_t width, Rows<const T> x, const std::uint8_t* mask,
                           Rows<const T> dfeature, Rows<T> dx) {
  if (map != FeatureMap::elu) {
    leaky_gradient_rows(negative_slope(map), count, width, x, dfeature, dx);
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      exp_of_negative_part(x[i], dx[i], width);
      for (std::int64_t d = 0; d < width; ++d) dx[i][d] *= dfeature[i][d];
    }
  }
  zero_masked_rows(count, width, mask, dx);
}

template <class T>
void rotate_rows(std::int64_t count, std::int64_t width, Rows<const T> x, Angles<T> angles, Rows<T> target) {
  if (!angles) return copy_rows<T>(count, width, x, nullptr, target);
  scale_rows(count, width, angles.cosines, x, target);
  scale_rows(count, width, angles.sines, x, target.from(0, width));
}

template <class T>
void rotate_extended_rows(std::int64_t count, std::int64_t width, Rows<const T> x, Angles<T> angles, Rows<T> target) {
  rotate_rows(count, width, x, angles, target);
  for (std::int64_t i = 0; i < count; ++i) {
    const T last = x[i][width];
    T* to = target[i] + (angles ? 2 * width : width);
    to[0] = angles ? last * angles.cosines[i] : last;
    if (angles) to[1] = last * angles.sines[i];
  }
}

template <class T>
void normalizer_gradients(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                          std::int64_t value_dim, T* target) {
  row_dots<T>(count, value_dim, gradients.dout.from(begin), gradients.out.from(begin), target);
  for (std::int64_t i = 0; i < count; ++i) {
    const T normalizer = *gradients.normalizer[begin + i];
    target[i] = guard_is_active(normalizer) ? T{0} : -target[i] / guarded(normalizer);
  }
}

template <class T>
void extended_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                            std::int64_t value_dim, const T* normalizer_gradients, Rows<T> target) {
  T inverses[kGradientRows];
  for (std::int64_t first = 0; first < count; first += kGradientRows) {
    const std::int64_t rows = std::min(kGradientRows, count - first);
    for (std::int64_t i = 0; i < rows; ++i) {
      inverses[i] = 1 / guarded(*gradients.normalizer[begin + first + i]);
      target[first + i][value_dim] = normalizer_gradients[first + i];
    }
    scale_rows<T>(rows, value_dim, inverses, gradients.dout.from(begin + first), target.from(first));
  }
}

template <class T>
void extended_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                            std::int64_t value_dim, Rows<T> target) {
  T b[kGradientRows];
  for (std::int64_t first = 0; first < count; first += kGradientRows) {
    const std::int64_t rows = std::min(kGradientRows, count - first);
    normalizer_gradients(gradients, begin + first, rows, value_dim, b);
    extended_gradient_rows<T>(gradients, begin + first, rows, value_dim, b, target.from(first));
  }
}

template <class T>
void extended_value_rows(std::int64_t count, std::int64_t value_dim, Rows<const T> value, const std::uint8_t* mask,
                         Rows<T> target) {
  copy_rows<T>(count, value_dim, value, mask, target);
  for (std::int64_t i = 0; i < count; ++i) target[i][value_dim] = mask != nullptr && mask[i] == 0 ? T{0} : T{1};
}

#define COSFORMER_INSTANTIATE(T)                                                                                      \
  template class AngleTable<T>;                                                                                       \
  template void feature_rows<T>(FeatureMap, std::int64_t, std::int64_t, Rows<const T>, const std::uint8_t*, Rows<T>); \
  template void feature_gradient_rows<T>(FeatureMap, std::int64_t, std::int64_t, Rows<const T>, const std::uint8_t*,  \
                                         Rows<const T>, Rows<T>);                                                     \
  template void rotate_rows<T>(std::int64_t, std::int64_t, Rows<const T>, Angles<T>, Rows<T>);                        \
  template void rotate_extended_rows<T>(std::int64_t, std::int64_t, Rows<const T>, Angles<T>, Rows<T>);               \
  template void normalizer_gradients<T>(const LinearHeadGradients<T>&, std::int64_t, std::int64_t, std::int64_t, T*); \
  template void extended_gradient_rows<T>(const LinearHeadGradients<T>&, std::int64_t, std::int64_t, std::int64_t,    \
                                          const T*, Rows<T>);                                                         \
  template void extended_gradient_rows<T>(const LinearHeadGradients<T>&, std::int64_t, std::int64_t, std::int64_t,    \
                                          Rows<T>);                                                                   \
  template void extended_value_rows<T>(std::int64_t, std::int64_t, Rows<const T>, const std::uint8_t*, Rows<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer::detail
