#include "core/kernels/rotate_positions.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/position_angles.h"
#include "core/parallel.h"

namespace cosformer {

template <class T>
void rotate_positions(std::int64_t batch, std::int64_t length, std::int64_t heads, std::int64_t head_dim,
                      const RotationOptions& options, Heads<const T> x, const Gradient<T>& y) {
  const std::int64_t rows = batch * length, half = head_dim / 2;
  if (rows == 0 || y.data == nullptr) return;
  std::vector<double> steps;
  for (std::int64_t i = 0; i < half; ++i) {
    steps.push_back(std::pow(options.base, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim)));
  }
  const detail::RowPositions places{length, options.first, options.positions};
  const detail::PositionAngles<T> angles(steps, places.least(rows), places.count(rows));
  const T sign = options.backward ? T{-1} : T{1};
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(heads * head_dim, 1) + 1;
  parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T *cosines = angles.cosines(places.of(r)), *sines = angles.sines(places.of(r));
      for (std::int64_t h = 0; h < heads; ++h) {
        const T* from = x.rows(r / length, h) + r % length * x.seq_stride;
        T* to = y.data + (r * heads + h) * head_dim;
        for (std::int64_t i = 0; i < half; ++i) {
          const T left = from[i] * cosines[i] - sign * from[half + i] * sines[i];
          const T right = from[half + i] * cosines[i] + sign * from[i] * sines[i];
          to[i] = y.add ? to[i] + left : left;
          to[half + i] = y.add ? to[half + i] + right : right;
        }
      }
    }
  });
}

template void rotate_positions<float>(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const RotationOptions&,
                                      Heads<const float>, const Gradient<float>&);
template void rotate_positions<double>(std::int64_t, std::int64_t, std::int64_t, std::int64_t, const RotationOptions&,
                                       Heads<const double>, const Gradient<double>&);

}  // namespace cosformer
