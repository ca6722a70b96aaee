#pragma once
/// \file
/// Means over seeds and differences between groups.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "train/experiments/experiment.h"

namespace cosformer {

/// Fewer values than this say little about a spread: the report warns.
inline constexpr std::int64_t kFewRuns = 3;

struct Summary {
  std::int64_t count = 0;
  double mean = 0;
  std::optional<double> deviation;  ///< sample standard deviation (n - 1); nothing for fewer than two values
  double minimum = 0, maximum = 0;
};

/// Nothing for no values.
std::optional<Summary> summarize(const std::vector<double>& values);

/// The mean difference of values that belong together, with its 95 % confidence interval.
struct PairedDifference {
  std::int64_t count = 0;
  double mean = 0;
  std::optional<double> deviation;  ///< of the differences
  std::optional<double> low, high;  ///< mean ± t(0.975, n - 1) · deviation / √n (Student, 1908); nothing for n < 2

  /// True if the interval exists and does not hold 0.
  bool is_clear() const { return low && (*low > 0 || *high < 0); }
};

/// second[i] - first[i]. Nothing for no values. Throws ShapeError for unequal lengths.
std::optional<PairedDifference> paired_difference(const std::vector<double>& first, const std::vector<double>& second);

/// The summary of a stage's metric over the finished runs of a group.
std::optional<Summary> summarize(const Experiment& experiment, const std::string& group, std::size_t stage);
/// The same of any value; `split` as in ReportedRun::value. Only finished runs count.
std::optional<Summary> summarize(const Experiment& experiment, const std::string& group, std::size_t stage,
                                 const std::string& split, const std::string& metric);

/// second - first over the seeds for which both groups have a finished run with the stage's metric.
std::optional<PairedDifference> compare_groups(const Experiment& experiment, const std::string& first,
                                               const std::string& second, std::size_t stage);

/// Indices into `experiment.groups` of the best mean of a stage, if at least two groups have one; ties are all best.
std::vector<std::size_t> best_groups(const Experiment& experiment, std::size_t stage);

/// A line per floor that groups of a stage do not pass: "not past the floor of 1.7900 (character 4-gram): relu; elu", or
/// "…: all".
std::vector<std::string> unpassed_floors(const Experiment& experiment, std::size_t stage);

/// What a reader should know before believing the table: few seeds, runs that are missing, ranges that overlap,
/// floors that are not passed;
/// with the stage's name if there are several.
std::vector<std::string> warnings(const Experiment& experiment, std::size_t stage);

}  // namespace cosformer
