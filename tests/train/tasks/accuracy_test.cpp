#include "train/tasks/accuracy.h"

#include <array>
#include <cmath>

#include "tests/catch.h"

namespace cosformer::test {

TEST_CASE("F1 is the harmonic mean of precision and recall") {
  // 6 of 8 predicted are right, 6 of 10 were found: precision 0.75, recall 0.6.
  CHECK(f1_score({.examples = 10, .predicted = 8, .correct = 6}) == Approx(2 * 0.75 * 0.6 / (0.75 + 0.6)));
  CHECK(f1_score({.examples = 10, .predicted = 0, .correct = 0}) == 0);
  CHECK(f1_score({}) == 0);
}

TEST_CASE("confidence intervals are those of Wilson's formula") {
  struct Row {
    std::int64_t correct, examples;
    double low, high;
  };
  // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
  const Row rows[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0.0, 0.1611}, {1, 29, 0.0061, 0.1718}};
  for (const Row& row : rows) {
    CAPTURE(row.correct, row.examples);
    const Interval interval = wilson_interval(row.correct, row.examples);
    CHECK(std::abs(interval.low - row.low) <= 5.01e-5);
    CHECK(std::abs(interval.high - row.high) <= 5.01e-5);
  }
}

TEST_CASE("the ends of a confidence interval solve the equation that defines them") {
  for (const auto& [correct, examples] : {std::pair{742, 2000}, {17, 40}, {3, 7}}) {
    const double share = static_cast<double>(correct) / examples;
    const Interval interval = wilson_interval(correct, examples);
    for (const double p : {interval.low, interval.high}) {
      CHECK(std::abs(std::abs(share - p) / std::sqrt(p * (1 - p) / examples) - 1.959963984540054) < 1e-9);
    }
    CHECK(interval.low < share);
    CHECK(share < interval.high);
  }
}

TEST_CASE("the first of the largest scores is the answer") {
  CHECK(largest(std::array{0.5F, 2.0F, -1.0F}) == 1);
  CHECK(largest(std::array{3.0F, 3.0F}) == 0);
  CHECK(largest(std::array{-3.0F}) == 0);
}

TEST_CASE("counts of classes add up") {
  const std::array<ClassCount, 2> classes = {ClassCount{3, 1, 1}, ClassCount{2, 4, 2}};
  CHECK(total(classes) == ClassCount{5, 5, 3});
}

}  // namespace cosformer::test
