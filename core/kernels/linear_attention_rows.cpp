#include <algorithm>
#include <cmath>

#include "core/kernels/linear_attention_head.h"
#include "core/parallel.h"
#include "core/simd.h"

namespace cosformer::detail {

namespace {

/// Positions that share one directly computed angle; those between follow by the sum formulas, in double.
constexpr std::int64_t kAngleBlock = 64;

constexpr double kLeakySlope = 0.01;

/// Calls `function(φ)` for maps without an exponential.
template <class T, class Function>
void with_simple_map(FeatureMap map, Function&& function) {
  switch (map) {
    case FeatureMap::relu:
      return function([](T x) { return x < 0 ? T{0} : x; });
    case FeatureMap::leaky_relu:
      return function([](T x) { return x < 0 ? static_cast<T>(kLeakySlope) * x : x; });
    default:
      return function([](T x) { return x; });
  }
}

/// Calls `function(φ')`. The slope at 0 is the one from the left, as in PyTorch.
template <class T, class Function>
void with_simple_slope(FeatureMap map, Function&& function) {
  switch (map) {
    case FeatureMap::relu:
      return function([](T x) { return x > 0 ? T{1} : T{0}; });
    case FeatureMap::leaky_relu:
      return function([](T x) { return x > 0 ? T{1} : static_cast<T>(kLeakySlope); });
    default:
      return function([](T) { return T{1}; });
  }
}

/// y = exp(min(x, 0)): both elu's slope and, with max(x, 0) added, elu(x) + 1.
template <class T>
void exp_of_negative_part(const T* x, T* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? T{0} : x[i];
  row_exp_sum(y, T{1}, T{0}, y, n);
}

template <class T>
void set_zero(T* x, std::int64_t n) {
  std::fill(x, x + n, T{0});
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

}  // namespace

template <class T>
AngleTable<T>::AngleTable(std::span<const double> steps, std::int64_t length) : rows_(0, 0) {
  std::vector<double> distinct;
  row_of_item_ = index_of_distinct(steps, &distinct);
  const auto count = static_cast<std::int64_t>(distinct.size());
  rows_ = Scratch<T>(2 * count, length);
  parallel_for(count, [&](std::int64_t row) {
    const double step = distinct[static_cast<std::size_t>(row)];
    double block_cos[kAngleBlock], block_sin[kAngleBlock];
    for (std::int64_t i = 0; i < std::min(kAngleBlock, length); ++i) {
      block_cos[i] = std::cos(static_cast<double>(i) * step);
      block_sin[i] = std::sin(static_cast<double>(i) * step);
    }
    T* cosines = rows_[2 * row];
    T* sines = rows_[2 * row + 1];
    for (std::int64_t begin = 0; begin < length; begin += kAngleBlock) {
      const double c = std::cos(static_cast<double>(begin + 1) * step), s = std::sin(static_cast<double>(begin + 1) * step);
      for (std::int64_t i = 0; i < std::min(kAngleBlock, length - begin); ++i) {
        cosines[begin + i] = static_cast<T>(c * block_cos[i] - s * block_sin[i]);
        sines[begin + i] = static_cast<T>(s * block_cos[i] + c * block_sin[i]);
      }
    }
  });
}

template <class T>
void feature_rows(FeatureMap map, std::int64_t count, std::int64_t width, Rows<const T> source, const std::uint8_t* mask,
                  Rows<T> target) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T* x = source[i];
    T* y = target[i];
    if (mask != nullptr && mask[i] == 0) {
      set_zero(y, width);
    } else if (map == FeatureMap::elu) {
      exp_of_negative_part(x, y, width);
      for (std::int64_t d = 0; d < width; ++d) y[d] += x[d] > 0 ? x[d] : T{0};
    } else {
      with_simple_map<T>(map, [&](auto phi) {
        for (std::int64_t d = 0; d < width; ++d) y[d] = phi(x[d]);
      });
    }
  }
}

template <class T>
void feature_gradient_rows(FeatureMap map, std::int64_t count, std::int64_t width, Rows<const T> x, const std::uint8_t* mask,
                           Rows<const T> dfeature, Rows<T> dx) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T* from = x[i];
    const T* gradient = dfeature[i];
    T* to = dx[i];
    if (mask != nullptr && mask[i] == 0) {
      set_zero(to, width);
    } else if (map == FeatureMap::elu) {
      exp_of_negative_part(from, to, width);
      for (std::int64_t d = 0; d < width; ++d) to[d] *= gradient[d];
    } else {
      with_simple_slope<T>(map, [&](auto slope) {
        for (std::int64_t d = 0; d < width; ++d) to[d] = slope(from[d]) * gradient[d];
      });
    }
  }
}

template <class T>
void rotate_rows(std::int64_t count, std::int64_t width, Rows<const T> x, Angles<T> angles, Rows<T> target) {
  if (!angles) return copy_rows<T>(count, width, x, nullptr, target);
  for (std::int64_t i = 0; i < count; ++i) {
    const T* from = x[i];
    T* to = target[i];
    const T c = angles.cosines[i], s = angles.sines[i];
    for (std::int64_t d = 0; d < width; ++d) to[d] = from[d] * c;
    for (std::int64_t d = 0; d < width; ++d) to[width + d] = from[d] * s;
  }
}

template <class T>
void rotate_extended_rows(std::int64_t count, std::int64_t width, Rows<const T> x, Angles<T> angles, Rows<T> target) {
  rotate_rows(count, width, x, angles, target);
  rotate_rows(count, 1, x.from(0, width), angles, target.from(0, angles ? 2 * width : width));
}

template <class T>
void normalizer_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                              std::int64_t value_dim, Rows<T> target) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T normalizer = *gradients.normalizer[begin + i];
    const T inverse = 1 / guarded(normalizer);
    const T* dout = gradients.dout[begin + i];
    T* to = target[i];
    to[value_dim] = guard_is_active(normalizer) ? T{0} : -row_dot(dout, gradients.out[begin + i], value_dim) * inverse;
    for (std::int64_t e = 0; e < value_dim; ++e) to[e] = dout[e] * inverse;
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
  template void normalizer_gradient_rows<T>(const LinearHeadGradients<T>&, std::int64_t, std::int64_t, std::int64_t,  \
                                            Rows<T>);                                                                 \
  template void extended_value_rows<T>(std::int64_t, std::int64_t, Rows<const T>, const std::uint8_t*, Rows<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer::detail
