#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>

#include "core/random.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

double row_max(const double* x, std::int64_t n) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, x[i]);
  return largest;
}

double row_exp_sum(const double* x, double scale, double shift, double* y, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += y[i] = std::exp(scale * x[i] - shift);
  return total;
}

void row_softmax_gradient(const double* p, double delta, double* dp, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dp[i] = p[i] * (dp[i] - delta);
}

double row_dot(const double* x, const double* y, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += x[i] * y[i];
  return total;
}

double row_sum(const double* x, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += x[i];
  return total;
}

void row_add_scaled(double alpha, const double* x, double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += alpha * x[i];
}

void row_scale(double alpha, const double* x, double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = alpha * x[i];
}

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

void row_gelu(const double* x, double* y, std::int64_t n) {
  // -infinity · 0 would be NaN; the limit is 0.
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] < -40 ? 0.0 : x[i] * normal_distribution(x[i]);
}

void row_gelu_backward(const double* x, const double* dy, double* dx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double bounded = std::clamp(x[i], -40.0, 40.0);
    const double density = std::exp(-0.5 * bounded * bounded) / std::sqrt(2 * std::numbers::pi);
    dx[i] = dy[i] * (normal_distribution(x[i]) + bounded * density);
  }
}

void row_gelu_with_slope(const double* x, double* y, double* slope, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double input = x[i], one = 1;
    row_gelu(&input, y + i, 1);
    row_gelu_backward(&input, &one, slope + i, 1);
  }
}

void row_mean_variance(const double* x, std::int64_t n, double* mean, double* variance) {
  *mean = *variance = 0;
  if (n <= 0) return;
  *mean = row_sum(x, n) / static_cast<double>(n);
  double squares = 0;
  for (std::int64_t i = 0; i < n; ++i) squares += (x[i] - *mean) * (x[i] - *mean);
  *variance = squares / static_cast<double>(n);
}

void row_normalize(const double* x, double mean, double inverse_deviation, const double* weight, const double* bias,
                   double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse_deviation * weight[i] + bias[i];
}

void row_normalize_backward(const double* x, double mean, double inverse_deviation, const double* weight, const double* dy,
                            double* dx, double* dweight, double* dbias, std::int64_t n) {
  double mean_g = 0, mean_gx = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double g = dy[i] * weight[i] / static_cast<double>(n);
    mean_g += g;
    mean_gx += g * ((x[i] - mean) * inverse_deviation);
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const double normalized = (x[i] - mean) * inverse_deviation;
    dx[i] += inverse_deviation * (dy[i] * weight[i] - mean_g - normalized * mean_gx);
    dweight[i] += dy[i] * normalized;
    dbias[i] += dy[i];
  }
}

void row_adamw(const AdamWStep& step, const double* gradient, double* parameter, double* m, double* v, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double g = step.gradient_scale * gradient[i];
    m[i] = step.beta1 * m[i] + (1 - step.beta1) * g;
    v[i] = step.beta2 * v[i] + (1 - step.beta2) * g * g;
    parameter[i] -= step.step_size * m[i] / (std::sqrt(v[i]) / step.sqrt_correction + step.eps) + step.decay * parameter[i];
  }
}

void row_dropout(const DropoutMask& mask, std::int64_t first, const double* x, double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t e = first + i;
    const auto block = static_cast<std::uint64_t>(16 * (e / 64) + e % 16);
    const auto words = philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0},
                                  {mask.key[0], mask.key[1]});
    y[i] = words[static_cast<std::size_t>(e / 16 % 4)] < mask.threshold ? 0.0 : x[i] * mask.scale;
  }
}

constexpr RowLoops<double> kLoops = {
    .name = "double",
    .max = row_max,
    .exp_sum = row_exp_sum,
    .softmax_gradient = row_softmax_gradient,
    .dot = row_dot,
    .sum = row_sum,
    .add_scaled = row_add_scaled,
    .scale = row_scale,
    .gelu = row_gelu,
    .gelu_backward = row_gelu_backward,
    .gelu_with_slope = row_gelu_with_slope,
    .mean_variance = row_mean_variance,
    .normalize = row_normalize,
    .normalize_backward = row_normalize_backward,
    .adamw = row_adamw,
    .dropout = row_dropout,
};

}  // namespace

template <>
const RowLoops<double>& loops<double>() {
  return kLoops;
}

}  // namespace cosformer
