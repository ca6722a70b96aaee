#pragma once
/// \file
/// Counts of right and wrong answers, and what they say about the accuracy.

#include <cstdint>
#include <span>
#include <vector>

namespace cosformer {

/// One class in an evaluation.
struct ClassCount {
  std::int64_t examples = 0;   ///< that belong to it
  std::int64_t predicted = 0;  ///< that were said to
  std::int64_t correct = 0;    ///< both
  friend bool operator==(const ClassCount&, const ClassCount&) = default;
};

/// Sums over all classes. `predicted` equals `examples`.
ClassCount total(std::span<const ClassCount> classes);

/// The harmonic mean of precision and recall of a class, 0 if no example belongs to it and none was said to.
double f1_score(const ClassCount& count);

struct Interval {
  double low = 0;
  double high = 0;
};
/// The 95 % confidence interval of the share of `correct` among `examples` > 0 draws. Source: Wilson, "Probable inference,
/// the law of succession, and statistical inference", 1927.
Interval wilson_interval(std::int64_t correct, std::int64_t examples);

/// The place of the largest score; of equals the first.
std::int64_t largest(std::span<const float> scores);

}  // namespace cosformer
