#pragma once
/// \file
/// A dense array: shared storage, a shape and strides.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "core/shape.h"

namespace cosformer {

enum class DType : std::uint8_t { float32, float64, int32 };

/// Bytes of one element.
std::int64_t dtype_bytes(DType dtype);
/// "float32", "float64" or "int32".
const char* dtype_name(DType dtype);

template <class T>
constexpr DType dtype_of() {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int32_t>);
  if constexpr (std::is_same_v<T, float>) return DType::float32;
  if constexpr (std::is_same_v<T, double>) return DType::float64;
  return DType::int32;
}

/// A handle to elements of one type. Copies and views share the elements; `clone` does not.
///
/// Strides count elements. A default-constructed tensor is undefined: it has no elements and only `defined` may be
/// asked of it. Reading from several threads is safe, writing needs the caller's order.
class Tensor {
 public:
  Tensor() = default;

  /// A tensor whose elements are not set (NaN in builds with COSFORMER_POISON_MEMORY).
  static Tensor empty(const Shape& shape, DType dtype = DType::float32);
  static Tensor zeros(const Shape& shape, DType dtype = DType::float32);
  static Tensor full(const Shape& shape, double value, DType dtype = DType::float32);
  /// A tensor that holds a copy of `values`. Throws ShapeError if their number differs from the shape's size.
  template <class T>
  static Tensor from(const Shape& shape, std::span<const T> values);
  /// A scalar (rank 0).
  static Tensor scalar(double value, DType dtype = DType::float32) { return full({}, value, dtype); }

  bool defined() const { return storage_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  std::int64_t dim(int axis) const { return shape_.dim(axis); }
  std::int64_t size() const { return shape_.size(); }
  std::int64_t bytes() const { return size() * dtype_bytes(dtype_); }
  /// Elements between neighbours along an axis; a negative `axis` counts from the last.
  std::int64_t stride(int axis) const { return strides_[static_cast<std::size_t>(shape_.axis_index(axis))]; }
  /// True if the elements follow one another in row-major order without gaps.
  bool is_contiguous() const;
  /// True if no other tensor shares the elements: they may be overwritten without anybody's notice.
  bool is_exclusive() const { return storage_.use_count() == 1; }

  /// The first element. Throws ShapeError if `T` is not the tensor's type.
  template <class T>
  T* data();
  template <class T>
  const T* data() const;
  /// All elements of a contiguous tensor. Throws ShapeError if it is not contiguous.
  template <class T>
  std::span<T> span();
  template <class T>
  std::span<const T> span() const;
  /// The value of a tensor of one element.
  double item() const;

  /// The same elements under another shape. Throws ShapeError if the size differs or the tensor is not contiguous
  /// (splitting the last axis of a tensor whose other axes are strided is allowed).
  Tensor reshape(const Shape& shape) const;
  /// Elements [start, start + length) of an axis, as a view.
  Tensor narrow(int axis, std::int64_t start, std::int64_t length) const;
  /// A view with two axes exchanged.
  Tensor transpose(int a, int b) const;
  /// A view of a tensor of one element under any shape, all strides 0: a shape that takes no memory.
  Tensor expand(const Shape& shape) const;
  /// This tensor if it is contiguous, else a contiguous copy.
  Tensor contiguous() const;
  /// A contiguous copy with storage of its own.
  Tensor clone() const;
  /// A contiguous copy with the elements converted.
  Tensor to(DType dtype) const;

  void fill(double value);
  /// Copies the elements of `source` (same shape and type, any strides) into this one (any strides).
  void copy_from(const Tensor& source);

 private:
  void check_dtype(DType requested) const;
  std::byte* address() const { return storage_.get() + offset_ * dtype_bytes(dtype_); }

  std::shared_ptr<std::byte> storage_;
  std::int64_t offset_ = 0;
  Shape shape_;
  std::array<std::int64_t, Shape::kMaxRank> strides_{};
  DType dtype_ = DType::float32;
};

/// Throws ShapeError: an operation on real numbers met `dtype`.
[[noreturn]] void throw_not_float(DType dtype);

/// Calls `function(T{})` with T = float or double, by the dtype. Throws ShapeError for int32.
template <class Function>
decltype(auto) dispatch_float(DType dtype, Function&& function) {
  if (dtype == DType::float64) return function(double{});
  if (dtype != DType::float32) throw_not_float(dtype);
  return function(float{});
}

}  // namespace cosformer
