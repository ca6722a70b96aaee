#include "core/kernels/cosine_features.h"

#include <algorithm>
#include <vector>

#include "core/kernels/position_angles.h"
#include "core/kernels/row_sums.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::PositionAngles;
using detail::RowPositions;

template <class T>
std::vector<double> steps_of(const AttentionSizes& sizes, const T* theta) {
  return {theta, theta + sizes.heads * sizes.head_dim};
}

}  // namespace

template <class T>
void cosine_features_forward(const AttentionSizes& sizes, const FeaturePositions& positions, Heads<const T> x,
                             const T* theta, T* y) {
  const std::int64_t rows = sizes.batch * sizes.queries, D = sizes.head_dim;
  if (rows == 0) return;
  const RowPositions places{sizes.queries, positions.first, positions.positions};
  const PositionAngles<T> angles(steps_of(sizes, theta), places.least(rows), places.count(rows));
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(2 * sizes.heads * D, 1) + 1;
  parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t place = places.of(r);
      for (std::int64_t h = 0; h < sizes.heads; ++h) {
        const T *from = x.rows(r / sizes.queries, h) + r % sizes.queries * x.seq_stride,
                *cosines = angles.cosines(place) + h * D, *sines = angles.sines(place) + h * D;
        T* to = y + (r * sizes.heads + h) * 2 * D;
        for (std::int64_t d = 0; d < D; ++d) {
          to[d] = from[d] * cosines[d];
          to[D + d] = from[d] * sines[d];
        }
      }
    }
  });
}

template <class T>
void cosine_features_backward(const AttentionSizes& sizes, const FeaturePositions& positions, Heads<const T> x,
                              const T* theta, const T* dy, const Gradient<T>& dx, const Gradient<T>& dtheta) {
  const std::int64_t rows = sizes.batch * sizes.queries, D = sizes.head_dim, width = sizes.heads * D;
  T* target = begin_sum(dtheta, width);
  if (rows == 0) return;
  const RowPositions places{sizes.queries, positions.first, positions.positions};
  const PositionAngles<T> angles(steps_of(sizes, theta), places.least(rows), places.count(rows));
  const RowSums<T> sums = sum_over_rows<T>(rows, width, [&](std::int64_t begin, std::int64_t end, T* partial) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t place = places.of(r);
      const T distance = static_cast<T>(place);
      for (std::int64_t h = 0; h < sizes.heads; ++h) {
        const T *from = x.rows(r / sizes.queries, h) + r % sizes.queries * x.seq_stride,
                *cosines = angles.cosines(place) + h * D, *sines = angles.sines(place) + h * D;
        const T *dcos = dy + (r * sizes.heads + h) * 2 * D, *dsin = dcos + D;
        T* own = partial + h * D;
        for (std::int64_t d = 0; d < D; ++d) {
          own[d] += distance * from[d] * (cosines[d] * dsin[d] - sines[d] * dcos[d]);
        }
        if (dx.data == nullptr) continue;
        T* to = dx.data + (r * sizes.heads + h) * D;
        for (std::int64_t d = 0; d < D; ++d) {
          const T gradient = cosines[d] * dcos[d] + sines[d] * dsin[d];
          to[d] = dx.add ? to[d] + gradient : gradient;
        }
      }
    }
  });
  if (target != nullptr) loops<T>().add_scaled(T{1}, sums.data(), target, width);
}

#define COSFORMER_INSTANTIATE(T)                                                                                          \
  template void cosine_features_forward<T>(const AttentionSizes&, const FeaturePositions&, Heads<const T>, const T*, T*); \
  template void cosine_features_backward<T>(const AttentionSizes&, const FeaturePositions&, Heads<const T>, const T*,     \
                                            const T*, const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
