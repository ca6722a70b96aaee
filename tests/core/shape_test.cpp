#include "core/shape.h"

#include <cstdint>
#include <limits>
#include <sstream>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"

using namespace cosformer;

namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("A shape knows its sizes, counted from either end") {
  const Shape shape{2, 3, 4};
  CHECK(shape.rank() == 3);
  CHECK(shape.size() == 24);
  CHECK((shape[0] == 2 && shape[-1] == 4 && shape.dim(-3) == 2 && shape.axis_index(-2) == 1));
  CHECK(shape.with_dim(-2, 5) == Shape{2, 5, 4});
  CHECK_FALSE(shape == Shape{2, 3});
  std::ostringstream text;
  text << shape << Shape{};
  CHECK(text.str() == "[2, 3, 4][]");
}

TEST_CASE("A scalar has size 1 and an empty axis makes size 0") {
  CHECK(Shape{}.size() == 1);
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{3, 0, 5}.size() == 0);
}

TEST_CASE("Axes out of range and sizes that cannot be are refused") {
  const Shape shape{2, 3};
  CHECK_THROWS_AS(shape[2], ShapeError);
  CHECK_THROWS_AS(shape[-3], ShapeError);
  CHECK_THROWS_AS(Shape{}[0], ShapeError);
  CHECK_THROWS_AS((Shape{2, -1}), ShapeError);
  const std::vector<std::int64_t> nine(9, 1);
  CHECK_THROWS_AS(Shape(nine), ShapeError);
  CHECK_THROWS_AS(shape.with_dim(0, -1), ShapeError);
}

TEST_CASE("A size that overflows 63 bits is refused, also beside an empty axis") {
  CHECK_THROWS_AS((Shape{kMost, 2}), ShapeError);
  CHECK_THROWS_AS((Shape{std::int64_t{1} << 32, std::int64_t{1} << 31}), ShapeError);
  CHECK_THROWS_AS((Shape{0, kMost, 3}), ShapeError);
  CHECK((Shape{kMost, 1}.size() == kMost));
}

TEST_CASE("Checked arithmetic refuses overflow and negative numbers") {
  CHECK(checked_multiply(std::int64_t{1} << 31, std::int64_t{1} << 31) == std::int64_t{1} << 62);
  CHECK_THROWS_AS(checked_multiply(kMost, 2), ShapeError);
  CHECK_THROWS_AS(checked_multiply(-1, 2), ShapeError);
}
