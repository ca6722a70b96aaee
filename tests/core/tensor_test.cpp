#include "core/tensor.h"

#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"

using namespace cosformer;

namespace {

/// 0, 1, 2, … in row-major order.
Tensor counting(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  std::iota(values.begin(), values.end(), 0.0F);
  return Tensor::from<float>(shape, values);
}

/// The elements in row-major order, through a contiguous copy.
std::vector<float> values_of(const Tensor& tensor) {
  const Tensor packed = tensor.contiguous();
  const auto span = packed.span<float>();
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("A tensor is made empty, filled or from values") {
  CHECK_FALSE(Tensor().defined());
  const Tensor zeros = Tensor::zeros({2, 3});
  CHECK(values_of(zeros) == std::vector<float>(6, 0.0F));
  CHECK(values_of(Tensor::full({2, 2}, 1.5)) == std::vector<float>(4, 1.5F));
  CHECK(values_of(counting({2, 2})) == std::vector<float>{0, 1, 2, 3});
  CHECK(Tensor::scalar(2.5).item() == 2.5);
  CHECK(Tensor::scalar(3, DType::int32).item() == 3);
  CHECK(Tensor::empty({3, 5}, DType::float64).bytes() == 120);
  CHECK_THROWS_AS(Tensor::from<float>({3}, std::vector<float>(2)), ShapeError);
}

TEST_CASE("Memory for a tensor is refused where its bytes overflow") {
  CHECK_THROWS_AS(Tensor::empty({std::numeric_limits<std::int64_t>::max()}), ShapeError);
  CHECK_THROWS_AS(Tensor::empty({std::int64_t{1} << 60}, DType::float64), ShapeError);
}

TEST_CASE("Elements are read only as what they are") {
  Tensor tensor = counting({4});
  CHECK_THROWS_AS(tensor.data<double>(), ShapeError);
  CHECK_THROWS_AS(tensor.span<std::int32_t>(), ShapeError);
  CHECK_THROWS_AS(Tensor().data<float>(), ShapeError);
  CHECK_THROWS_AS(tensor.item(), ShapeError);
  CHECK_THROWS_AS(dispatch_float(DType::int32, [](auto) { return 0; }), ShapeError);
  CHECK(dispatch_float(DType::float64, [](auto zero) { return sizeof(zero); }) == 8);
}

TEST_CASE("Views share their elements and clones do not") {
  Tensor tensor = counting({2, 3});
  Tensor view = tensor.reshape({3, 2});
  const Tensor copy = tensor.clone();
  CHECK_FALSE(tensor.is_exclusive());
  CHECK(copy.is_exclusive());
  view.data<float>()[5] = 50;
  CHECK(tensor.data<float>()[5] == 50);
  CHECK(copy.data<float>()[5] == 5);
}

TEST_CASE("Narrowing takes a range of an axis") {
  const Tensor tensor = counting({3, 4});
  const Tensor columns = tensor.narrow(-1, 1, 2);
  CHECK(columns.shape() == Shape{3, 2});
  CHECK_FALSE(columns.is_contiguous());
  CHECK(values_of(columns) == std::vector<float>{1, 2, 5, 6, 9, 10});
  CHECK(values_of(columns.narrow(0, 1, 2)) == std::vector<float>{5, 6, 9, 10});
  CHECK(tensor.narrow(0, 1, 2).is_contiguous());
  CHECK(tensor.narrow(0, 3, 0).size() == 0);
  CHECK_THROWS_AS(columns.span<float>(), ShapeError);
  CHECK_THROWS_AS(tensor.narrow(0, 2, 2), ShapeError);
  CHECK_THROWS_AS(tensor.narrow(0, -1, 2), ShapeError);
  CHECK_THROWS_AS(tensor.narrow(0, 1, std::numeric_limits<std::int64_t>::max()), ShapeError);
  CHECK_THROWS_AS(tensor.narrow(2, 0, 1), ShapeError);
}

TEST_CASE("Transposing exchanges two axes without a copy") {
  const Tensor tensor = counting({2, 3, 2});
  const Tensor swapped = tensor.transpose(0, -1);
  CHECK(swapped.shape() == Shape{2, 3, 2});
  CHECK(swapped.stride(0) == 1);
  CHECK(values_of(swapped) == std::vector<float>{0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11});
  CHECK(values_of(swapped.transpose(0, 2)) == values_of(tensor));
}

TEST_CASE("Reshaping splits and joins what lies together, and nothing else") {
  const Tensor tensor = counting({2, 3, 8});
  // The heads of one of several fused projections: a strided view whose last axis is split.
  const Tensor heads = tensor.narrow(-1, 4, 4).reshape({2, 3, 2, 2});
  CHECK(heads.stride(1) == 8);
  CHECK(heads.stride(2) == 2);
  CHECK(values_of(heads.narrow(0, 1, 1)) == std::vector<float>{28, 29, 30, 31, 36, 37, 38, 39, 44, 45, 46, 47});
  CHECK(heads.reshape({6, 4}).stride(0) == 8);
  CHECK(values_of(heads.reshape({6, 4})) == values_of(heads));
  CHECK_THROWS_AS(tensor.narrow(-1, 4, 4).reshape({2, 12}), ShapeError);
  CHECK_THROWS_AS(tensor.transpose(0, 1).reshape({6, 8}), ShapeError);
  CHECK_THROWS_AS(tensor.reshape({2, 3, 7}), ShapeError);
  CHECK(tensor.reshape({48}).is_contiguous());
  CHECK(tensor.narrow(0, 0, 0).reshape({0, 5}).size() == 0);
}

TEST_CASE("Axes of size 1 appear and vanish in strided views") {
  const Tensor view = counting({4, 6}).narrow(1, 0, 3);
  CHECK(values_of(view.reshape({4, 1, 3, 1})) == values_of(view));
  CHECK(values_of(view.reshape({1, 4, 3})) == values_of(view));
  CHECK(values_of(view.reshape({4, 1, 3}).reshape({4, 3})) == values_of(view));
}

TEST_CASE("Copies go between any strides and convert between types") {
  Tensor target = Tensor::zeros({3, 2});
  target.transpose(0, 1).copy_from(counting({2, 3}));
  CHECK(values_of(target) == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK_THROWS_AS(target.copy_from(counting({2, 3})), ShapeError);
  CHECK_THROWS_AS(target.copy_from(Tensor::zeros({3, 2}, DType::float64)), ShapeError);

  const Tensor integers = counting({2, 2}).to(DType::int32);
  CHECK(integers.dtype() == DType::int32);
  CHECK(integers.data<std::int32_t>()[3] == 3);
  CHECK(values_of(integers.transpose(0, 1).to(DType::float64).to(DType::float32)) == std::vector<float>{0, 2, 1, 3});
}

TEST_CASE("Filling a view leaves the rest alone") {
  Tensor tensor = counting({2, 3});
  tensor.narrow(1, 1, 1).fill(9);
  CHECK(values_of(tensor) == std::vector<float>{0, 9, 2, 3, 9, 5});
  Tensor scalar = Tensor::scalar(1);
  scalar.fill(4);
  CHECK(scalar.item() == 4);
}

TEST_CASE("Large tensors are copied and filled whole on several threads") {
  constexpr std::int64_t kRows = 300, kColumns = 301;
  const Tensor tensor = counting({kRows, kColumns});
  const Tensor twice = tensor.transpose(0, 1).contiguous().transpose(0, 1).contiguous();
  CHECK(values_of(twice) == values_of(tensor));
  CHECK(values_of(Tensor::full({kRows, kColumns}, 3)) == std::vector<float>(kRows * kColumns, 3.0F));
}
