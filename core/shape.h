#pragma once
/// \file
/// Sizes of a tensor's axes, and arithmetic on them that cannot overflow unnoticed.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

namespace cosformer {

/// Product of two sizes. Throws ShapeError if it does not fit in 63 bits or a factor is negative.
std::int64_t checked_multiply(std::int64_t a, std::int64_t b);

/// The sizes of up to eight axes, outermost first. A shape of rank 0 is a scalar and has size 1.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  /// Throws ShapeError for a negative size, more than `kMaxRank` axes, or a size that overflows 63 bits.
  Shape(std::initializer_list<std::int64_t> dims);
  explicit Shape(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  /// Size of an axis; a negative `axis` counts from the last. Throws ShapeError if it is out of range.
  std::int64_t dim(int axis) const { return dims_[axis_index(axis)]; }
  std::int64_t operator[](int axis) const { return dim(axis); }
  /// `axis` as an index from 0; a negative one counts from the last.
  int axis_index(int axis) const;
  /// Number of elements.
  std::int64_t size() const { return size_; }
  /// This shape with one axis changed.
  Shape with_dim(int axis, std::int64_t size) const;

  std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<std::size_t>(rank_)}; }
  const std::int64_t* begin() const { return dims_.data(); }
  const std::int64_t* end() const { return dims_.data() + rank_; }

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
  std::int64_t size_ = 1;
};

/// Written as `[2, 3, 4]`.
std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace cosformer
