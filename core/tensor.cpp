#include "core/tensor.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/memory.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

std::array<std::int64_t, Shape::kMaxRank> row_major_strides(const Shape& shape) {
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= std::max<std::int64_t>(shape[axis], 1);
  }
  return strides;
}

/// Calls `function(T{})` with the C++ type of `dtype`.
template <class Function>
void dispatch_any(DType dtype, Function&& function) {
  switch (dtype) {
    case DType::float32:
      return function(float{});
    case DType::float64:
      return function(double{});
    case DType::int32:
      return function(std::int32_t{});
  }
}

/// Calls `visit(a_offset, b_offset, length)` for each innermost run of two tensors of one shape.
template <class Visit>
void for_each_row(const Tensor& a, const Tensor& b, Visit&& visit) {
  const Shape& shape = a.shape();
  if (shape.size() == 0) return;
  if (shape.rank() == 0) return visit(std::int64_t{0}, std::int64_t{0}, std::int64_t{1});
  const std::int64_t length = shape[-1];
  const std::int64_t rows = shape.size() / length;
  parallel_ranges(rows, std::max<std::int64_t>(1, kElementwiseGrain / length), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::int64_t rest = row, a_offset = 0, b_offset = 0;
      for (int axis = shape.rank() - 2; axis >= 0; --axis) {
        const std::int64_t index = rest % shape[axis];
        rest /= shape[axis];
        a_offset += index * a.stride(axis);
        b_offset += index * b.stride(axis);
      }
      visit(a_offset, b_offset, length);
    }
  });
}

template <class To, class From>
void convert(const Tensor& source, Tensor& target) {
  const From* from = source.data<From>();
  To* to = target.data<To>();
  const std::int64_t from_step = source.rank() ? source.stride(-1) : 1;
  const std::int64_t to_step = target.rank() ? target.stride(-1) : 1;
  for_each_row(source, target, [&](std::int64_t from_offset, std::int64_t to_offset, std::int64_t length) {
    for (std::int64_t i = 0; i < length; ++i) {
      to[to_offset + i * to_step] = static_cast<To>(from[from_offset + i * from_step]);
    }
  });
}

}  // namespace

std::int64_t dtype_bytes(DType dtype) { return dtype == DType::float64 ? 8 : 4; }

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int32:
      return "int32";
  }
  return "unknown";
}

void throw_not_float(DType dtype) { throw ShapeError(concat("expected float32 or float64, found ", dtype_name(dtype))); }

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.strides_ = row_major_strides(shape);
  tensor.dtype_ = dtype;
  tensor.storage_ = allocate_block(static_cast<std::size_t>(checked_multiply(shape.size(), dtype_bytes(dtype))));
  return tensor;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  std::byte* bytes = tensor.address();
  parallel_ranges(tensor.bytes(), kElementwiseGrain * 4, [&](std::int64_t begin, std::int64_t end) {
    std::memset(bytes + begin, 0, static_cast<std::size_t>(end - begin));
  });
  return tensor;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  tensor.fill(value);
  return tensor;
}

template <class T>
Tensor Tensor::from(const Shape& shape, std::span<const T> values) {
  check<ShapeError>(static_cast<std::int64_t>(values.size()) == shape.size(), values.size(),
                    " values for a tensor of shape ", shape);
  Tensor tensor = empty(shape, dtype_of<T>());
  std::ranges::copy(values, tensor.data<T>());
  return tensor;
}

bool Tensor::is_contiguous() const {
  const auto expected = row_major_strides(shape_);
  for (int axis = 0; axis < rank(); ++axis) {
    if (shape_[axis] != 1 && strides_[static_cast<std::size_t>(axis)] != expected[static_cast<std::size_t>(axis)]) {
      return size() == 0;
    }
  }
  return true;
}

void Tensor::check_dtype(DType requested) const {
  check<ShapeError>(defined(), "an undefined tensor has no data");
  check<ShapeError>(requested == dtype_, "expected a tensor of ", dtype_name(requested), ", found ", dtype_name(dtype_));
}

template <class T>
T* Tensor::data() {
  check_dtype(dtype_of<T>());
  return reinterpret_cast<T*>(address());
}

template <class T>
const T* Tensor::data() const {
  check_dtype(dtype_of<T>());
  return reinterpret_cast<const T*>(address());
}

template <class T>
std::span<T> Tensor::span() {
  check<ShapeError>(is_contiguous(), "a span needs a contiguous tensor, not a strided view of shape ", shape_);
  return {data<T>(), static_cast<std::size_t>(size())};
}

template <class T>
std::span<const T> Tensor::span() const {
  check<ShapeError>(is_contiguous(), "a span needs a contiguous tensor, not a strided view of shape ", shape_);
  return {data<T>(), static_cast<std::size_t>(size())};
}

double Tensor::item() const {
  check<ShapeError>(defined() && size() == 1, "item() needs a tensor of one element, not of shape ", shape_);
  double value = 0;
  dispatch_any(dtype_, [&]<class T>(T) { value = static_cast<double>(*data<T>()); });
  return value;
}

Tensor Tensor::reshape(const Shape& shape) const {
  check<ShapeError>(shape.size() == size(), "cannot reshape ", shape_, " to ", shape);
  Tensor view = *this;
  view.shape_ = shape;
  if (is_contiguous()) {
    view.strides_ = row_major_strides(shape);
    return view;
  }
  // Axes may also be split or joined inside a run of axes that is contiguous in itself.
  const auto old_dims = shape_.dims();
  const auto new_dims = shape.dims();
  std::size_t i = 0, j = 0;
  while (i < old_dims.size() && j < new_dims.size()) {
    std::int64_t old_size = old_dims[i], new_size = new_dims[j];
    std::size_t old_end = i + 1, new_end = j + 1;
    while (old_size != new_size) {
      if (old_size < new_size) {
        check<ShapeError>(strides_[old_end - 1] == strides_[old_end] * old_dims[old_end],
                          "cannot reshape a strided view of shape ", shape_, " to ", shape, " without a copy");
        old_size *= old_dims[old_end++];
      } else {
        new_size *= new_dims[new_end++];
      }
    }
    std::int64_t stride = strides_[old_end - 1];
    for (std::size_t axis = new_end; axis-- > j;) {
      view.strides_[axis] = stride;
      stride *= new_dims[axis];
    }
    i = old_end;
    j = new_end;
  }
  for (; j < new_dims.size(); ++j) view.strides_[j] = 1;
  return view;
}

Tensor Tensor::narrow(int axis, std::int64_t start, std::int64_t length) const {
  const int index = shape_.axis_index(axis);
  check<ShapeError>(start >= 0 && length >= 0 && start <= shape_[index] - length, "[narrow] range of ", length, " from ",
                    start, " on axis ", index, " of ", shape_);
  Tensor view = *this;
  view.shape_ = shape_.with_dim(index, length);
  view.offset_ += start * strides_[static_cast<std::size_t>(index)];
  return view;
}

Tensor Tensor::transpose(int a, int b) const {
  const int i = shape_.axis_index(a), j = shape_.axis_index(b);
  Tensor view = *this;
  view.shape_ = shape_.with_dim(i, shape_[j]).with_dim(j, shape_[i]);
  std::swap(view.strides_[static_cast<std::size_t>(i)], view.strides_[static_cast<std::size_t>(j)]);
  return view;
}

Tensor Tensor::expand(const Shape& shape) const {
  check<ShapeError>(defined() && size() == 1, "[expand] expected a tensor of one element, found shape ", shape_);
  Tensor view = *this;
  view.shape_ = shape;
  view.strides_ = {};
  return view;
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

Tensor Tensor::clone() const {
  Tensor copy = empty(shape_, dtype_);
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::to(DType dtype) const {
  Tensor copy = empty(shape_, dtype);
  dispatch_any(dtype_,
               [&]<class From>(From) { dispatch_any(dtype, [&]<class To>(To) { convert<To, From>(*this, copy); }); });
  return copy;
}

void Tensor::fill(double value) {
  dispatch_any(dtype_, [&]<class T>(T) {
    T* values = data<T>();
    const std::int64_t step = rank() ? stride(-1) : 1;
    for_each_row(*this, *this, [&](std::int64_t offset, std::int64_t, std::int64_t length) {
      for (std::int64_t i = 0; i < length; ++i) values[offset + i * step] = static_cast<T>(value);
    });
  });
}

void Tensor::copy_from(const Tensor& source) {
  check<ShapeError>(source.shape() == shape_ && source.dtype() == dtype_, "[copy_from] ", dtype_name(source.dtype()), ' ',
                    source.shape(), " into ", dtype_name(dtype_), ' ', shape_);
  dispatch_any(dtype_, [&]<class T>(T) { convert<T, T>(source, *this); });
}

#define COSFORMER_INSTANTIATE(T)                                     \
  template Tensor Tensor::from<T>(const Shape&, std::span<const T>); \
  template T* Tensor::data<T>();                                     \
  template const T* Tensor::data<T>() const;                         \
  template std::span<T> Tensor::span<T>();                           \
  template std::span<const T> Tensor::span<T>() const;
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
COSFORMER_INSTANTIATE(std::int32_t)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
