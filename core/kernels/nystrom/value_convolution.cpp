#include "core/kernels/nystrom/value_convolution.h"

#include <vector>

#include "core/error.h"
#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/attention_tiles.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::MatrixView;
using detail::rows_of;

void check_taps(std::int64_t taps) {
  check<ShapeError>(taps >= 1 && taps % 2 == 1, "[value convolution] expected an odd number of taps, found ", taps);
}

/// Calls visit(t, s, tap) for each output t and real token s within its reach, in this order. Positions never fall, so that
/// the first token within reach moves on only.
template <class Visit>
void for_each_tap(const AttentionSizes& sizes, const AttentionVisibility& visibility, std::int64_t taps, std::int64_t b,
                  Visit&& visit) {
  const std::uint8_t* mask = detail::mask_of(visibility, sizes, b);
  const std::int32_t* outputs = detail::positions_of(visibility.query_positions, b, sizes.queries);
  const std::int32_t* tokens = detail::positions_of(visibility.key_positions, b, sizes.keys);
  std::int64_t first = 0;
  for (std::int64_t t = 0; t < sizes.queries; ++t) {
    const std::int64_t begin = (outputs == nullptr ? t : outputs[t]) - taps / 2;
    const auto tap_of = [&](std::int64_t s) { return (tokens == nullptr ? s : tokens[s]) - begin; };
    while (first < sizes.keys && tap_of(first) < 0) ++first;
    for (std::int64_t s = first; s < sizes.keys && tap_of(s) < taps; ++s) {
      if (mask == nullptr || mask[s] != 0) visit(t, s, tap_of(s));
    }
  }
}

}  // namespace

template <class T>
void value_convolution_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, std::int64_t taps,
                               Heads<const T> x, const T* filter, Heads<T> out) {
  check_taps(taps);
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    const MatrixView<const T> values = rows_of(x, b, h);
    const MatrixView<T> sums = rows_of(out, b, h);
    detail::zero_rows<T>(sizes.queries, sizes.value_dim, sums);
    for_each_tap(sizes, visibility, taps, b, [&](std::int64_t t, std::int64_t s, std::int64_t tap) {
      loops<T>().add_scaled(filter[h * taps + tap], values[s], sums[t], sizes.value_dim);
    });
  });
}

template <class T>
void value_convolution_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, std::int64_t taps,
                                Heads<const T> x, const T* filter, Heads<const T> dout, const Gradient<T>& dx,
                                const Gradient<T>& dfilter) {
  check_taps(taps);
  const detail::WrittenGradient<T> values(dx, sizes.batch, sizes.keys, sizes.heads, sizes.value_dim);
  // Each item's share of the filters' gradient; they are added in the order of the items.
  std::vector<T> shares(static_cast<std::size_t>(sizes.batch * sizes.heads * taps), T{0});
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t task) {
    const std::int64_t b = task / sizes.heads, h = task % sizes.heads;
    const MatrixView<const T> v = rows_of(x, b, h), dy = rows_of(dout, b, h);
    const MatrixView<T> dv = rows_of(values.heads(), b, h);
    T* share = shares.data() + task * taps;
    detail::zero_rows<T>(sizes.keys, sizes.value_dim, dv);
    for_each_tap(sizes, visibility, taps, b, [&](std::int64_t t, std::int64_t s, std::int64_t tap) {
      loops<T>().add_scaled(filter[h * taps + tap], dy[t], dv[s], sizes.value_dim);
      share[tap] += loops<T>().dot(dy[t], v[s], sizes.value_dim);
    });
  });
  values.finish();
  T* df = begin_sum(dfilter, sizes.heads * taps);
  if (df == nullptr) return;
  for (std::int64_t b = 0; b < sizes.batch; ++b) {
    accumulate_elements(shares.data() + b * sizes.heads * taps, df, sizes.heads * taps);
  }
}

#define COSFORMER_INSTANTIATE(T)                                                                               \
  template void value_convolution_forward<T>(const AttentionSizes&, const AttentionVisibility&, std::int64_t,  \
                                             Heads<const T>, const T*, Heads<T>);                              \
  template void value_convolution_backward<T>(const AttentionSizes&, const AttentionVisibility&, std::int64_t, \
                                              Heads<const T>, const T*, Heads<const T>, const Gradient<T>&,    \
                                              const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
