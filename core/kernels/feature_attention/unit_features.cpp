#include "core/kernels/feature_attention/unit_features.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/attention_tiles.h"
#include "core/kernels/attention/feature_tiles.h"

namespace cosformer {

namespace {

using detail::for_each_feature_tile;
using detail::for_each_head;
using detail::kFeatureTile;
using detail::MatrixView;
using detail::multiply;
using detail::rows_of;
using detail::ScratchMatrix;

constexpr double kLengthGuard = 1e-3;

constexpr UnitFeaturesName kNames[] = {{"gaussian", UnitFeatures::gaussian}, {"arccos", UnitFeatures::arccos}};

template <class T>
T length_of(const T* x, std::int64_t n) {
  return std::sqrt(loops<T>().dot(x, x, n));
}

}  // namespace

std::span<const UnitFeaturesName> unit_features_names() { return kNames; }

std::int64_t unit_features_width(UnitFeatures kind, std::int64_t directions) {
  return kind == UnitFeatures::gaussian ? 2 * directions : directions;
}

template <>
void sines_and_cosines(const double* x, std::int64_t n, double factor, double* sines, double* cosines) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double value = x[i];
    sines[i] = factor * std::sin(value);
    cosines[i] = factor * std::cos(value);
  }
}

/// x less the nearest multiple of π/2, in three parts of π/2 (Cody and Waite), then both polynomials (Cephes' sinf and
/// cosf). Adding and subtracting 1.5 · 2^23 rounds, and leaves the multiple in the last bits: no branch, so that rows of it
/// are vectors.
template <>
void sines_and_cosines(const float* x, std::int64_t n, float factor, float* sines, float* cosines) {
  constexpr float kRound = 12582912.0F, kTwoOverPi = 0.636619772F;
  constexpr float kPart1 = 1.5703125F, kPart2 = 4.837512969970703125e-4F, kPart3 = 7.549789948768648e-8F;
  for (std::int64_t i = 0; i < n; ++i) {
    const float shifted = x[i] * kTwoOverPi + kRound, multiple = shifted - kRound;
    const auto quarter = std::bit_cast<std::uint32_t>(shifted);
    const float r = ((x[i] - multiple * kPart1) - multiple * kPart2) - multiple * kPart3, z = r * r;
    const float sine = r + r * z * (-1.6666654611e-1F + z * (8.3321608736e-3F + z * -1.9515295891e-4F));
    const float cosine =
        1.0F - 0.5F * z + z * z * (4.166664568298827e-2F + z * (-1.388731625493765e-3F + z * 2.443315711809948e-5F));
    const bool swap = (quarter & 1U) != 0;
    const float sine_sign = (quarter & 2U) != 0 ? -factor : factor,
                cosine_sign = ((quarter + 1U) & 2U) != 0 ? -factor : factor;
    sines[i] = sine_sign * (swap ? cosine : sine);
    cosines[i] = cosine_sign * (swap ? sine : cosine);
  }
}

template <class T>
void unit_features_forward(const UnitFeatureSizes& sizes, UnitFeatures kind, Heads<const T> x, const T* sigma,
                           const T* projection, Heads<T> features) {
  const std::int64_t D = sizes.head_dim, F = sizes.directions;
  const T share = static_cast<T>(1.0 / std::sqrt(static_cast<double>(F)));
  for_each_head(sizes.batch, sizes.heads, [&](std::int64_t b, std::int64_t h) {
    const ScratchMatrix<T> y(kFeatureTile, D), turned(D, F), products(kFeatureTile, F);
    detail::transpose<T>(F, D, {projection + h * F * D, D}, turned.view());
    for_each_feature_tile(sizes.length, [&](std::int64_t begin, std::int64_t count) {
      const MatrixView<const T> rows = rows_of(x, b, h).from(begin);
      const MatrixView<T> results = rows_of(features, b, h).from(begin);
      for (std::int64_t i = 0; i < count; ++i) {
        const T inverse = 1 / (length_of(rows[i], D) + static_cast<T>(kLengthGuard));
        for (std::int64_t d = 0; d < D; ++d) y[i][d] = sigma[h * D + d] * rows[i][d] * inverse;
      }
      multiply<T>(count, F, D, y.view(), turned.view(), false, products.view());
      for (std::int64_t i = 0; i < count; ++i) {
        T* phi = results[i];
        if (kind == UnitFeatures::gaussian) {
          sines_and_cosines<T>(products[i], F, share, phi, phi + F);
        } else {
          for (std::int64_t f = 0; f < F; ++f) phi[f] = share * std::max(products[i][f], T{0});
        }
      }
    });
  });
}

template <class T>
void unit_features_backward(const UnitFeatureSizes& sizes, UnitFeatures kind, Heads<const T> x, const T* sigma,
                            const T* projection, Heads<const T> features, Heads<const T> dfeatures, const Gradient<T>& dx,
                            const Gradient<T>& dsigma) {
  const std::int64_t D = sizes.head_dim, F = sizes.directions;
  const T share = static_cast<T>(1.0 / std::sqrt(static_cast<double>(F)));
  const detail::WrittenGradient<T> written(dx, sizes.batch, sizes.length, sizes.heads, D);
  // Each item's share of σ's gradient; they are added in the order of the items.
  std::vector<T> shares(static_cast<std::size_t>(sizes.batch * sizes.heads * D), T{0});
  for_each_head(sizes.batch, sizes.heads, [&](std::int64_t b, std::int64_t h) {
    const ScratchMatrix<T> g(kFeatureTile, F), dy(kFeatureTile, D);
    const MatrixView<const T> weights{projection + h * F * D, D};
    T* own = shares.data() + (b * sizes.heads + h) * D;
    for_each_feature_tile(sizes.length, [&](std::int64_t begin, std::int64_t count) {
      const MatrixView<const T> rows = rows_of(x, b, h).from(begin), phis = rows_of(features, b, h).from(begin),
                                gradients = rows_of(dfeatures, b, h).from(begin);
      const MatrixView<T> results = rows_of(written.heads(), b, h).from(begin);
      for (std::int64_t i = 0; i < count; ++i) {
        const T *phi = phis[i], *dphi = gradients[i];
        for (std::int64_t f = 0; f < F; ++f) {
          g[i][f] = kind == UnitFeatures::gaussian ? phi[F + f] * dphi[f] - phi[f] * dphi[F + f]
                                                   : (phi[f] > 0 ? share * dphi[f] : T{0});
        }
      }
      multiply<T>(count, D, F, g.view(), weights, false, dy.view());
      for (std::int64_t i = 0; i < count; ++i) {
        const T length = length_of(rows[i], D), inverse = 1 / (length + static_cast<T>(kLengthGuard));
        T along = 0;
        for (std::int64_t d = 0; d < D; ++d) {
          own[d] += dy[i][d] * rows[i][d] * inverse;
          dy[i][d] *= sigma[h * D + d];
          along += dy[i][d] * rows[i][d];
        }
        const T back = length > 0 ? along * inverse * inverse / length : T{0};
        for (std::int64_t d = 0; d < D; ++d) results[i][d] = dy[i][d] * inverse - back * rows[i][d];
      }
    });
  });
  written.finish();
  T* sum = begin_sum(dsigma, sizes.heads * D);
  for (std::int64_t b = 0; b < sizes.batch && sum != nullptr; ++b) {
    accumulate_elements(shares.data() + b * sizes.heads * D, sum, sizes.heads * D);
  }
}

#define COSFORMER_INSTANTIATE(T)                                                                                     \
  template void unit_features_forward<T>(const UnitFeatureSizes&, UnitFeatures, Heads<const T>, const T*, const T*,  \
                                         Heads<T>);                                                                  \
  template void unit_features_backward<T>(const UnitFeatureSizes&, UnitFeatures, Heads<const T>, const T*, const T*, \
                                          Heads<const T>, Heads<const T>, const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
