#pragma once
/// \file
/// Updates of parameters, and what clipping needs to know of gradients. float or double; all threads, fixed order.

#include <cstdint>

#include "core/simd/row_loops.h"

namespace cosformer {

/// One AdamW update of n parameters with their moments m and v; see `AdamWStep`.
template <class T>
void adamw_update(const AdamWStep& step, const T* gradient, T* parameter, T* m, T* v, std::int64_t n);

/// With g = gradient_scale · gradient + weight_decay · p (as PyTorch's SGD without dampening):
/// u = momentum · u + g; p -= learning_rate · (nesterov ? g + momentum · u : u).
struct SgdStep {
  double learning_rate;
  double momentum = 0;
  double weight_decay = 0;
  double gradient_scale = 1;
  bool nesterov = false;
};

/// One update of n parameters. `velocity` (u, zeros before the first step) may be null if momentum is 0.
template <class T>
void sgd_update(const SgdStep& step, const T* gradient, T* parameter, T* velocity, std::int64_t n);

/// With g = gradient_scale · gradient: p -= learning_rate · sign(β₁ m + (1 - β₁) g) + decay · p; then m = β₂ m + (1 - β₂) g
/// (Chen et al., 2023). The sign of 0 is 0.
struct LionStep {
  double beta1, beta2;
  double learning_rate;
  double decay;  ///< learning_rate · weight_decay
  double gradient_scale = 1;
};

/// One update of n parameters with their moment m, zeros before the first step.
template <class T>
void lion_update(const LionStep& step, const T* gradient, T* parameter, T* m, std::int64_t n);

/// y = scale · x, no further from 0 than `limit`.
template <class T>
void clip_elements(T scale, T limit, const T* x, T* y, std::int64_t n);

/// Σ x_i², in double: the sum of `piece_sums_of_squares` in their order.
template <class T>
double sum_of_squares(const T* x, std::int64_t n);

/// Σ x_i² of each piece of kElementwiseGrain elements (core/parallel.h), the last of which may be shorter, in double.
template <class T>
void piece_sums_of_squares(const T* x, std::int64_t n, double* sums);

/// False if any element is infinite or NaN.
template <class T>
bool all_finite(const T* x, std::int64_t n);

}  // namespace cosformer
