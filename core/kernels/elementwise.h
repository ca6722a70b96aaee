#pragma once
/// \file
/// Element by element: sums, activations with their gradients, dropout, and sums over rows. float or double.
///
/// Arrays are contiguous. Each loop runs on all threads (on one inside a loop of `parallel_for`), with the same bits on any
/// number of them. An output may be an input at the same address unless said otherwise.

#include <cstdint>

#include "core/kernels/gradient.h"
#include "core/kernels/scalar_function.h"
#include "core/random.h"
#include "core/simd/row_loops.h"

namespace cosformer {

/// y = a + b.
template <class T>
void add_elements(const T* a, const T* b, T* y, std::int64_t n);

/// y += x.
template <class T>
void accumulate_elements(const T* x, T* y, std::int64_t n);

/// y = alpha · x.
template <class T>
void scale_elements(T alpha, const T* x, T* y, std::int64_t n);

/// y += alpha · x.
template <class T>
void accumulate_scaled(T alpha, const T* x, T* y, std::int64_t n);

/// sums_j = Σ_r x_rj over rows that are `stride` apart: the gradient of a bias. Rows are added in blocks that depend on
/// the shape alone.
template <class T>
void column_sums(const T* x, std::int64_t rows, std::int64_t width, std::int64_t stride, const Gradient<T>& sums);

/// y = f(x).
template <class T>
void activation_forward(ScalarFunction f, const T* x, T* y, std::int64_t n);

/// dx = dy · f'(x). dx may be dy if it is written.
template <class T>
void activation_backward(ScalarFunction f, const T* x, const T* dy, const Gradient<T>& dx, std::int64_t n);

/// u_r = x_r + bias; y_r = f(u_r) in one pass over `rows` rows of `width` elements. The backward pass needs u. u may be x.
template <class T>
void bias_activation_forward(ScalarFunction f, const T* x, const T* bias, T* u, T* y, std::int64_t rows, std::int64_t width);

/// du = dy · f'(u); dbias = Σ_r du_r, in one pass. du may be dy if it is written.
template <class T>
void bias_activation_backward(ScalarFunction f, const T* u, const T* dy, const Gradient<T>& du, const Gradient<T>& dbias,
                              std::int64_t rows, std::int64_t width);

/// The mask of `apply_dropout` for `RowLoops::dropout`. Throws ShapeError unless 0 ≤ probability < 1.
DropoutMask dropout_mask(double probability, const Random& stream);

/// y_i = 0 with `probability`, else x_i / (1 - probability); a function of `stream` and i alone says which (see
/// `DropoutMask` in core/simd/row_loops.h). The backward pass is the same call on the gradient. Throws ShapeError unless
/// 0 ≤ probability < 1.
template <class T>
void apply_dropout(double probability, const Random& stream, const T* x, T* y, std::int64_t n);

}  // namespace cosformer
