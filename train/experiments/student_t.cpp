#include "train/experiments/student_t.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace cosformer {

namespace {

/// The continued fraction of the incomplete beta function, from its front (Lentz's algorithm; DLMF 8.17.22).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr int kMaxTerms = 10'000;
  const auto kept_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double numerator = 1, denominator = 1 / kept_from_zero(1 - (a + b) * x / (a + 1)), fraction = denominator;
  for (int m = 1; m < kMaxTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double step = 1;
    for (const double term : {even, odd}) {
      denominator = 1 / kept_from_zero(1 + term * denominator);
      numerator = kept_from_zero(1 + term / numerator);
      step = numerator * denominator;
      fraction *= step;
    }
    if (std::abs(step - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return fraction;
}

/// The share I_x(a, b) of the beta function (DLMF 8.17).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  // The fraction converges fast on this side of the mean only.
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/// P(T > t), t >= 0.
double upper_tail(double t, double degrees) {
  return 0.5 * incomplete_beta(0.5 * degrees, 0.5, degrees / (degrees + t * t));
}

}  // namespace

double student_t_quantile(double p, double degrees) {
  check<Error>(p >= 0.5 && p < 1 && degrees >= 1, "[student_t_quantile] p ", p, " with ", degrees, " degrees of freedom");
  double low = 0, high = 1;
  while (upper_tail(high, degrees) > 1 - p) high *= 2;
  // The tail falls with t: halving finds the place to the last bits.
  for (double middle = 0.5 * high; middle > low && middle < high; middle = 0.5 * (low + high)) {
    (upper_tail(middle, degrees) > 1 - p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace cosformer
