#include <algorithm>

#include "core/kernels/attention/attention_tiles.h"
#include "core/kernels/sparse_attention/lsh_pattern.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

/// The place of the largest of [y, -y]; the first one of equals.
template <class T>
std::int64_t place_of_largest(const T* y, std::int64_t count) {
  std::int64_t best = 0;
  T largest = count > 0 ? y[0] : T{0};
  for (std::int64_t i = 1; i < 2 * count; ++i) {
    const T own = i < count ? y[i] : -y[i - count];
    if (own > largest) largest = own, best = i;
  }
  return best;
}

}  // namespace

LshSizes lsh_sizes(std::int64_t rounds, std::int64_t buckets) {
  std::int64_t all = 1;
  while (all < buckets) all *= 2;
  constexpr std::int64_t kMostOfOne = 64;
  if (all <= kMostOfOne) return {rounds, all, 1};
  std::int64_t first = 2;
  while (first * first < all) first *= 2;
  return {rounds, first, all / first};
}

template <class T>
std::vector<std::int32_t> lsh_buckets(const LshSizes& lsh, std::int64_t batch, std::int64_t length, std::int64_t heads,
                                      std::int64_t head_dim, Heads<const T> x, const T* matrices) {
  constexpr std::int64_t kRows = 64;
  const std::int64_t columns = lsh.columns(), width = lsh.rounds * columns;
  std::vector<std::int32_t> buckets(static_cast<std::size_t>(batch * heads * lsh.rounds * length));
  if (columns == 0) return buckets;
  parallel_for(batch * heads, [&](std::int64_t task) {
    const std::int64_t b = task / heads, h = task % heads;
    const detail::MatrixView<const T> rows = detail::rows_of(x, b, h);
    const detail::MatrixView<const T> own{matrices + h * head_dim * width, width};
    const detail::ScratchMatrix<T> turned(kRows, width);
    for (std::int64_t first = 0; first < length; first += kRows) {
      const std::int64_t count = std::min(kRows, length - first);
      detail::multiply<T>(count, width, head_dim, rows.from(first), own, false, turned.view());
      for (std::int64_t round = 0; round < lsh.rounds; ++round) {
        std::int32_t* to = buckets.data() + (task * lsh.rounds + round) * length + first;
        for (std::int64_t i = 0; i < count; ++i) {
          const T* row = turned[i] + round * columns;
          const std::int64_t bucket =
              place_of_largest(row, lsh.first / 2) * lsh.second + place_of_largest(row + lsh.first / 2, lsh.second / 2);
          to[i] = static_cast<std::int32_t>(bucket);
        }
      }
    }
  });
  return buckets;
}

#define COSFORMER_INSTANTIATE(T)                                                                               \
  template std::vector<std::int32_t> lsh_buckets<T>(const LshSizes&, std::int64_t, std::int64_t, std::int64_t, \
                                                    std::int64_t, Heads<const T>, const T*);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
