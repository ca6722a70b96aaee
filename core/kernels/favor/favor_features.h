#pragma once
/// \file
/// Positive random features of Performer's attention.

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// Rows [B, N, H, D] that become features [B, N, H, F].
struct FavorSizes {
  std::int64_t batch = 0;     ///< B
  std::int64_t length = 0;    ///< N
  std::int64_t heads = 0;     ///< H
  std::int64_t head_dim = 0;  ///< D
  std::int64_t features = 0;  ///< F
};

/// Added to every exponential, so that no normaliser vanishes (Performer's numerical stabiliser).
inline constexpr double kFavorFloor = 1e-4;

/// φ_f = (exp(w_f·x' − |x'|² / 2) + 1e-4) / sqrt(F) with x' = x / D^(1/4); `projection` [H, F, D]. float or double. Source:
/// Choromanski et al., ICLR 2021, eq. 7.
template <class T>
void favor_features_forward(const FavorSizes& sizes, Heads<const T> x, const T* projection, Heads<T> features);

/// dx [B, N, H, D] from the features and their gradient; the projection is constant.
template <class T>
void favor_features_backward(const FavorSizes& sizes, Heads<const T> x, const T* projection, Heads<const T> features,
                             Heads<const T> dfeatures, const Gradient<T>& dx);

}  // namespace cosformer
