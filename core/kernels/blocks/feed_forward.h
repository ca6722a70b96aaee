#pragma once
/// \file
/// A whole pre-norm feed-forward block, y = x + outer(fc2(inner(f(fc1(norm(x)))))), tile by tile of rows. float or double;
/// see norm_linear.h for when.

#include "core/kernels/blocks/norm_linear.h"
#include "core/kernels/elementwise.h"

namespace cosformer {

/// fc1 [ffn, width], fc2 [width, ffn], with biases. A dropout is null if there is none.
template <class T>
struct FeedForwardBlock {
  NormRows<T> norm;
  std::int64_t ffn = 0;
  ScalarFunction activation = ScalarFunction::gelu;
  const T* fc1_weight = nullptr;
  const T* fc1_bias = nullptr;
  const T* fc2_weight = nullptr;
  const T* fc2_bias = nullptr;
  const DropoutMask* inner_dropout = nullptr;  ///< of the activation's result [R, ffn]
  const DropoutMask* outer_dropout = nullptr;  ///< of fc2's result [R, width]
};

/// Of a block's parameters.
template <class T>
struct FeedForwardGradients {
  NormGradients<T> norm;
  Gradient<T> fc1_dweight, fc1_dbias, fc2_dweight, fc2_dbias;
};

/// Writes y [R, width] and, for the backward pass, `mean`, `inverse_deviation` [R] and `hidden` [R, ffn], the input of the
/// activation; a null `hidden` is left out.
template <class T>
void feed_forward_block_forward(const FeedForwardBlock<T>& block, double eps, T* y, T* mean, T* inverse_deviation,
                                T* hidden);

/// The gradients of x [R, width] and of the parameters.
template <class T>
void feed_forward_block_backward(const FeedForwardBlock<T>& block, const T* mean, const T* inverse_deviation,
                                 const T* hidden, const T* dy, const Gradient<T>& dx,
                                 const FeedForwardGradients<T>& gradients);

}  // namespace cosformer
