#include "train/experiments/student_t.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "tests/catch.h"

namespace cosformer::test {

TEST_CASE("quantiles of Student's t are those of the tables") {
  struct Row {
    double degrees, t90, t95, t975, t995;
  };
  // As every textbook's table has them, to three decimals.
  constexpr Row kTable[] = {
      {1, 3.078, 6.314, 12.706, 63.657}, {2, 1.886, 2.920, 4.303, 9.925},  {3, 1.638, 2.353, 3.182, 5.841},
      {4, 1.533, 2.132, 2.776, 4.604},   {5, 1.476, 2.015, 2.571, 4.032},  {7, 1.415, 1.895, 2.365, 3.499},
      {9, 1.383, 1.833, 2.262, 3.250},   {10, 1.372, 1.812, 2.228, 3.169}, {15, 1.341, 1.753, 2.131, 2.947},
      {20, 1.325, 1.725, 2.086, 2.845},  {30, 1.310, 1.697, 2.042, 2.750}, {60, 1.296, 1.671, 2.000, 2.660},
      {120, 1.289, 1.658, 1.980, 2.617}, {1e9, 1.282, 1.645, 1.960, 2.576}};
  for (const Row& row : kTable) {
    CAPTURE(row.degrees);
    CHECK(std::abs(student_t_quantile(0.9, row.degrees) - row.t90) <= 0.0005001);
    CHECK(std::abs(student_t_quantile(0.95, row.degrees) - row.t95) <= 0.0005001);
    CHECK(std::abs(student_t_quantile(0.975, row.degrees) - row.t975) <= 0.0005001);
    CHECK(std::abs(student_t_quantile(0.995, row.degrees) - row.t995) <= 0.0005001);
  }
}

TEST_CASE("with one, two and four degrees of freedom the quantile is its closed form") {
  const double pi = std::acos(-1.0);
  for (const double p : {0.5, 0.6, 0.75, 0.9, 0.95, 0.975, 0.995, 0.9999}) {
    CAPTURE(p);
    const double alpha = 4 * p * (1 - p), q = std::cos(std::acos(std::sqrt(alpha)) / 3) / std::sqrt(alpha);
    CHECK(student_t_quantile(p, 1) == Approx(std::tan(pi * (p - 0.5))).epsilon(1e-9).margin(1e-12));
    CHECK(student_t_quantile(p, 2) == Approx((2 * p - 1) * std::sqrt(2 / alpha)).epsilon(1e-9).margin(1e-12));
    CHECK(student_t_quantile(p, 4) == Approx(2 * std::sqrt(std::max(0.0, q - 1))).epsilon(1e-9).margin(1e-7));
  }
}

TEST_CASE("a share that has no quantile is refused") {
  for (const auto& [p, degrees] : {std::pair{0.4, 3.0}, {1.0, 3.0}, {0.9, 0.0}, {std::nan(""), 3.0}}) {
    CHECK_THROWS_AS(student_t_quantile(p, degrees), Error);
  }
}

}  // namespace cosformer::test
