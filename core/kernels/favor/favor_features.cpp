#include "core/kernels/favor/favor_features.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/attention_tiles.h"
#include "core/kernels/attention/feature_tiles.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

using detail::for_each_feature_tile;
using detail::for_each_head;
using detail::kFeatureTile;
using detail::MatrixView;
using detail::multiply;
using detail::rows_of;
using detail::ScratchMatrix;

double input_scale(const FavorSizes& sizes) { return std::pow(static_cast<double>(sizes.head_dim), -0.25); }
double feature_scale(const FavorSizes& sizes) { return 1.0 / std::sqrt(static_cast<double>(sizes.features)); }

}  // namespace

template <class T>
void favor_features_forward(const FavorSizes& sizes, Heads<const T> x, const T* projection, Heads<T> features) {
  const std::int64_t D = sizes.head_dim, F = sizes.features;
  const auto scale = static_cast<T>(input_scale(sizes)), share = static_cast<T>(feature_scale(sizes));
  for_each_head(sizes.batch, sizes.heads, [&](std::int64_t b, std::int64_t h) {
    const ScratchMatrix<T> scaled(kFeatureTile, D), turned(D, F), products(kFeatureTile, F);
    detail::transpose<T>(F, D, {projection + h * F * D, D}, turned.view());
    for_each_feature_tile(sizes.length, [&](std::int64_t begin, std::int64_t count) {
      const MatrixView<const T> rows = rows_of(x, b, h).from(begin);
      const MatrixView<T> results = rows_of(features, b, h).from(begin);
      for (std::int64_t i = 0; i < count; ++i) loops<T>().scale(scale, rows[i], scaled[i], D);
      multiply<T>(count, F, D, scaled.view(), turned.view(), false, products.view());
      for (std::int64_t i = 0; i < count; ++i) {
        const T half_norm = loops<T>().dot(scaled[i], scaled[i], D) / 2;
        loops<T>().exp_sum(products[i], T{1}, half_norm, products[i], F);
        T* phi = results[i];
        for (std::int64_t f = 0; f < F; ++f) phi[f] = (products[i][f] + static_cast<T>(kFavorFloor)) * share;
      }
    });
  });
}

template <class T>
void favor_features_backward(const FavorSizes& sizes, Heads<const T> x, const T* projection, Heads<const T> features,
                             Heads<const T> dfeatures, const Gradient<T>& dx) {
  const detail::WrittenGradient<T> written(dx, sizes.batch, sizes.length, sizes.heads, sizes.head_dim);
  const std::int64_t D = sizes.head_dim, F = sizes.features;
  const auto scale = static_cast<T>(input_scale(sizes)), floor = static_cast<T>(kFavorFloor * feature_scale(sizes));
  for_each_head(sizes.batch, sizes.heads, [&](std::int64_t b, std::int64_t h) {
    // g = dφ ∘ (φ without its floor): the gradient of the exponent.
    const ScratchMatrix<T> g(kFeatureTile, F), products(kFeatureTile, D);
    const MatrixView<const T> weights{projection + h * F * D, D};
    for_each_feature_tile(sizes.length, [&](std::int64_t begin, std::int64_t count) {
      const MatrixView<const T> rows = rows_of(x, b, h).from(begin), phis = rows_of(features, b, h).from(begin),
                                gradients = rows_of(dfeatures, b, h).from(begin);
      const MatrixView<T> results = rows_of(written.heads(), b, h).from(begin);
      for (std::int64_t i = 0; i < count; ++i) {
        const T *phi = phis[i], *dphi = gradients[i];
        for (std::int64_t f = 0; f < F; ++f) g[i][f] = dphi[f] * (phi[f] - floor);
      }
      multiply<T>(count, D, F, g.view(), weights, false, products.view());
      for (std::int64_t i = 0; i < count; ++i) {
        const T factor = -loops<T>().sum(g[i], F) * scale * scale;
        loops<T>().scale(scale, products[i], results[i], D);
        loops<T>().add_scaled(factor, rows[i], results[i], D);
      }
    });
  });
  written.finish();
}

#define COSFORMER_INSTANTIATE(T)                                                                                        \
  template void favor_features_forward<T>(const FavorSizes&, Heads<const T>, const T*, Heads<T>);                       \
  template void favor_features_backward<T>(const FavorSizes&, Heads<const T>, const T*, Heads<const T>, Heads<const T>, \
                                           const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
