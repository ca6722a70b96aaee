#include <algorithm>
#include <cmath>

#include "core/kernels/feature_attention/chunk.h"
#include "core/kernels/feature_attention/feature_attention.h"
#include "core/parallel.h"

namespace cosformer {

std::int64_t feature_attention_state_size(std::int64_t head_dim, std::int64_t value_dim) {
  return head_dim * (value_dim + 1);
}

std::int64_t feature_attention_working_size(std::int64_t head_dim, std::int64_t value_dim) {
  constexpr std::int64_t kRows = detail::kFeatureChunk;
  return 2 * head_dim * (value_dim + 1) + kRows * (5 * head_dim + 4 * (value_dim + 1) + 2 * kRows);
}

template <class T>
void feature_attention_step(const AttentionSizes& sizes, T floor, Heads<const T> query, Heads<const T> key,
                            Heads<const T> value, Heads<const T> gate, T* state, Heads<T> out) {
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim;
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    T left = 1, added = 1;
    if (gate.data != nullptr) {
      const T a = *gate.rows(b, h);
      left = std::exp(detail::log_gate(a));
      added = 1 / (1 + std::exp(a));
    }
    const detail::ScratchMatrix<T> sums(1, E + 1);
    std::fill_n(sums[0], E + 1, T{0});
    for (std::int64_t d = 0; d < D; ++d) {
      T* row = state + i * feature_attention_state_size(D, E) + d * (E + 1);
      if (left != 1) loops<T>().scale(left, row, row, E + 1);
      const T k = added * key.rows(b, h)[d];
      loops<T>().add_scaled(k, value.rows(b, h), row, E);
      row[E] += k;
      loops<T>().add_scaled(query.rows(b, h)[d], row, sums[0], E + 1);
    }
    loops<T>().scale(1 / std::max(sums[0][E], floor), sums[0], out.rows(b, h), E);
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                    \
  template void feature_attention_step<T>(const AttentionSizes&, T, Heads<const T>, Heads<const T>, Heads<const T>, \
                                          Heads<const T>, T*, Heads<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
