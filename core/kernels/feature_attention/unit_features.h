#pragma once
/// \file
/// Random features of directions: what Random Feature Attention makes of queries and keys.
///
///     y = σ ∘ x / (|x| + 1e-3)
///     gaussian: φ(x) = sqrt(1/F) [sin(w_1·y) … sin(w_F·y) | cos(w_1·y) … cos(w_F·y)]
///     arccos:   φ(x) = sqrt(1/F) [relu(w_1·y) … relu(w_F·y)]
///
/// φ(x)·φ(x') is on average the Gaussian kernel exp(−|y − y'|²/2), or the arc-cosine kernel of order 1 (Cho and Saul, 2009),
/// if the w are normal. Source: Peng et al., Random Feature Attention, ICLR 2021, eq. 3 and section 3.3; σ is what a learned
/// variance of the w comes to, and 1e-3 is the authors' guard.

#include <span>
#include <string_view>

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

enum class UnitFeatures : std::uint8_t { gaussian, arccos };

/// The features by their names in configs.
struct UnitFeaturesName {
  std::string_view name;
  UnitFeatures value;
};
std::span<const UnitFeaturesName> unit_features_names();

/// Rows [B, N, H, D] that become features [B, N, H, width], F directions for each head.
struct UnitFeatureSizes {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t directions = 0;
};

/// Features of `directions` directions: twice as many with sines and cosines.
std::int64_t unit_features_width(UnitFeatures kind, std::int64_t directions);

/// `sigma` [H, D], `projection` [H, F, D]. float or double.
template <class T>
void unit_features_forward(const UnitFeatureSizes& sizes, UnitFeatures kind, Heads<const T> x, const T* sigma,
                           const T* projection, Heads<T> features);

/// The gradients of x and σ, from the features; the projection is constant.
template <class T>
void unit_features_backward(const UnitFeatureSizes& sizes, UnitFeatures kind, Heads<const T> x, const T* sigma,
                            const T* projection, Heads<const T> features, Heads<const T> dfeatures, const Gradient<T>& dx,
                            const Gradient<T>& dsigma);

/// sines_i = factor · sin(x_i), cosines_i = factor · cos(x_i). Float: absolute error at most 2e-7 · factor for |x| < 8000.
template <class T>
void sines_and_cosines(const T* x, std::int64_t n, T factor, T* sines, T* cosines);

}  // namespace cosformer
