#include "train/tasks/accuracy.h"

#include <algorithm>
#include <cmath>

namespace cosformer {

ClassCount total(std::span<const ClassCount> classes) {
  ClassCount sum;
  for (const ClassCount& count : classes) {
    sum.examples += count.examples;
    sum.predicted += count.predicted;
    sum.correct += count.correct;
  }
  return sum;
}

double f1_score(const ClassCount& count) {
  const std::int64_t both = count.predicted + count.examples;
  return both == 0 ? 0 : 2 * static_cast<double>(count.correct) / static_cast<double>(both);
}

Interval wilson_interval(std::int64_t correct, std::int64_t examples) {
  constexpr double kZ = 1.959963984540054;  // 97.5 % of a standard normal variable lie below
  const auto n = static_cast<double>(examples);
  const double share = static_cast<double>(correct) / n;
  const double centre = share + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (centre - half) / scale), std::min(1.0, (centre + half) / scale)};
}

std::int64_t largest(std::span<const float> scores) { return std::ranges::max_element(scores) - scores.begin(); }

}  // namespace cosformer
