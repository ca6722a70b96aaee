#pragma once
/// \file
/// Comparison of two ranges of numbers that says where they differ most.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <sstream>
#include <string_view>

#include "tests/catch.h"

namespace cosformer::test {

/// |actual_i - expected_i| may be abs + rel · max_j |expected_j|: an error is measured against the size of the
/// whole range, as elements that nearly cancel have no relative accuracy of their own. {.rel = 0} asks for equality.
struct Tolerance {
  double rel = 1e-5;
  double abs = 0;
};

/// Requires that two ranges of numbers (float, double or integers, not necessarily the same) have one size and differ by
/// at most `tolerance`. A NaN on either side fails; infinities must be equal. Reports `name`, the worst index and both
/// values.
template <std::ranges::input_range Expected, std::ranges::input_range Actual>
void require_close(std::string_view name, const Expected& expected, const Actual& actual, Tolerance tolerance = {}) {
  const auto count = static_cast<std::size_t>(std::ranges::distance(expected));
  CAPTURE(name);
  REQUIRE(static_cast<std::size_t>(std::ranges::distance(actual)) == count);
  double scale = 0;
  for (const auto value : expected) {
    if (std::isfinite(static_cast<double>(value))) scale = std::max(scale, std::abs(static_cast<double>(value)));
  }
  const double allowed = tolerance.abs + tolerance.rel * scale;
  double worst = 0, worst_expected = 0, worst_actual = 0;
  std::size_t worst_index = 0, index = 0, misses = 0;
  auto other = std::ranges::begin(actual);
  for (const auto value : expected) {
    const double e = static_cast<double>(value), a = static_cast<double>(*other);
    const double difference = e == a ? 0 : std::abs(a - e);
    const double error = std::isnan(difference) ? HUGE_VAL : difference;
    if (error > allowed) ++misses;
    if (error > worst) {
      worst = error;
      worst_index = index;
      worst_expected = e;
      worst_actual = a;
    }
    ++index;
    ++other;
  }
  std::ostringstream report;
  report.precision(17);
  report << name << ": " << misses << " of " << count << " elements differ by more than " << allowed << "; the worst is ["
         << worst_index << "]: expected " << worst_expected << ", actual " << worst_actual;
  INFO(report.str());
  REQUIRE(misses == 0);
}

/// The same for two numbers.
inline void require_close(std::string_view name, double expected, double actual, Tolerance tolerance = {}) {
  require_close(name, std::array{expected}, std::array{actual}, tolerance);
}

}  // namespace cosformer::test
