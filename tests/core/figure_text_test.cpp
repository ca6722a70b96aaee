#include "core/figure_text.h"

#include <cmath>

#include "tests/catch.h"

namespace cosformer::test {

TEST_CASE("A figure has its significant digits, and what is no number is said in words") {
  CHECK(figure_text(2.0 / 3, 5) == "0.66667");
  CHECK(figure_text(1234567.0, 5) == "1.2346e+06");
  CHECK(figure_text(-0.0, 3) == "-0");
  for (const double value : {HUGE_VAL, -HUGE_VAL, std::nan(""), -std::nan("")}) CHECK(figure_text(value, 8) == "not finite");
}

}  // namespace cosformer::test
