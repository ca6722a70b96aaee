#pragma once
/// \file
/// Functions of one number with their slopes: activations of a layer and feature maps of linear attention are the same
/// table.

#include <cstdint>
#include <span>

namespace cosformer {

/// Every function has one row in the table of scalar_function.cpp. `identity`, `leaky_relu` and `relu` have the slope of x <
/// 0 at 0.
enum class ScalarFunction : std::uint8_t { identity, leaky_relu, relu, squared_relu, elu, gelu, gelu_tanh, silu, sigmoid };

struct ScalarFunctionKind {
  const char* name;
  ScalarFunction value;
  bool never_negative;  ///< as a feature map it makes no similarity negative
  const char* description;
};
/// All functions, in the order of the enumeration.
std::span<const ScalarFunctionKind> scalar_functions();

/// y = f(x) for `rows` rows of `width` numbers, x_stride and y_stride apart, on the calling thread. y may be x. A NaN stays
/// one. float or double.
template <class T>
void function_rows(ScalarFunction f, std::int64_t rows, std::int64_t width, const T* x, std::int64_t x_stride, T* y,
                   std::int64_t y_stride);

/// dx = f'(x) · dy for the same rows. dx may be dy.
template <class T>
void function_gradient_rows(ScalarFunction f, std::int64_t rows, std::int64_t width, const T* x, std::int64_t x_stride,
                            const T* dy, std::int64_t dy_stride, T* dx, std::int64_t dx_stride);

/// y = f(x) and slope = f'(x) of one row. y or slope may be x.
template <class T>
void function_row_with_slope(ScalarFunction f, const T* x, T* y, T* slope, std::int64_t n);

}  // namespace cosformer
