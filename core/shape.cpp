#include "core/shape.h"

#include <algorithm>
#include <ostream>

#include "core/error.h"

namespace cosformer {

std::int64_t checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  check<ShapeError>(a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, &product), "size overflow: ", a, " * ", b);
  return product;
}

Shape::Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const std::int64_t> dims) {
  check<ShapeError>(dims.size() <= kMaxRank, "a tensor has at most ", kMaxRank, " axes, not ", dims.size());
  rank_ = static_cast<int>(dims.size());
  std::ranges::copy(dims, dims_.begin());
  // Zero sizes are multiplied last, so that an overflow among the others is still seen.
  bool empty = false;
  for (const std::int64_t dim : dims) {
    empty = empty || dim == 0;
    size_ = checked_multiply(size_, dim == 0 ? 1 : dim);
  }
  if (empty) size_ = 0;
}

int Shape::axis_index(int axis) const {
  const int index = axis < 0 ? axis + rank_ : axis;
  check<ShapeError>(index >= 0 && index < rank_, "axis ", axis, " of a shape of ", rank_, " axes");
  return index;
}

Shape Shape::with_dim(int axis, std::int64_t size) const {
  auto dims = dims_;
  dims[axis_index(axis)] = size;
  return Shape(std::span(dims.data(), static_cast<std::size_t>(rank_)));
}

bool operator==(const Shape& a, const Shape& b) { return std::ranges::equal(a.dims(), b.dims()); }

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int axis = 0; axis < shape.rank(); ++axis) out << (axis ? ", " : "") << shape[axis];
  return out << ']';
}

}  // namespace cosformer
