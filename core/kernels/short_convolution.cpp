#include "core/kernels/short_convolution.h"

#include <algorithm>
#include <vector>

#include "core/kernels/row_sums.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

/// The distances between tokens that see each other.
class Neighbours {
 public:
  Neighbours(const ShortConvolutionSizes& sizes, const ConvolvedTokens& tokens) : sizes_(sizes), tokens_(tokens) {}

  /// Calls visit(s, d) for each real token s that stands d < K positions before token t, t itself included, of the item
  /// whose tokens are rows of the batch; rows are counted from its first.
  template <class Visit>
  void before(std::int64_t row, Visit&& visit) const {
    const std::int64_t first = row / sizes_.length * sizes_.length;
    for (std::int64_t s = row; s >= first; --s) {
      const std::int64_t distance = position(row) - position(s);
      if (distance >= sizes_.taps) return;
      if (is_real(s)) visit(s, distance);
    }
  }
  /// Calls visit(t, d) for each token t that sees the token of `row`.
  template <class Visit>
  void after(std::int64_t row, Visit&& visit) const {
    if (!is_real(row)) return;
    const std::int64_t end = (row / sizes_.length + 1) * sizes_.length;
    for (std::int64_t t = row; t < end; ++t) {
      const std::int64_t distance = position(t) - position(row);
      if (distance >= sizes_.taps) return;
      visit(t, distance);
    }
  }

 private:
  bool is_real(std::int64_t row) const { return tokens_.real == nullptr || tokens_.real[row] != 0; }
  std::int64_t position(std::int64_t row) const { return tokens_.positions == nullptr ? row : tokens_.positions[row]; }

  ShortConvolutionSizes sizes_;
  ConvolvedTokens tokens_;
};

/// weight [width, taps] as [distance, width].
template <class T>
std::vector<T> rows_by_distance(const ShortConvolutionSizes& sizes, const T* weight) {
  std::vector<T> rows(static_cast<std::size_t>(sizes.taps * sizes.width));
  for (std::int64_t d = 0; d < sizes.taps; ++d) {
    for (std::int64_t e = 0; e < sizes.width; ++e) {
      rows[static_cast<std::size_t>(d * sizes.width + e)] = weight[e * sizes.taps + sizes.taps - 1 - d];
    }
  }
  return rows;
}

/// y += w ∘ x.
template <class T>
void add_product(std::int64_t n, const T* w, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += w[i] * x[i];
}

}  // namespace

template <class T>
void short_convolution_forward(const ShortConvolutionSizes& sizes, const ConvolvedTokens& tokens, const T* x,
                               const T* weight, T* y) {
  const std::int64_t width = sizes.width, grain = kElementwiseGrain / std::max<std::int64_t>(width * sizes.taps, 1) + 1;
  const std::vector<T> rows = rows_by_distance(sizes, weight);
  const Neighbours neighbours(sizes, tokens);
  parallel_ranges(sizes.batch * sizes.length, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      std::fill_n(y + t * width, width, T{0});
      neighbours.before(t, [&](std::int64_t s, std::int64_t distance) {
        add_product(width, rows.data() + distance * width, x + s * width, y + t * width);
      });
    }
  });
}

template <class T>
void short_convolution_backward(const ShortConvolutionSizes& sizes, const ConvolvedTokens& tokens, const T* x,
                                const T* weight, const T* dy, const Gradient<T>& dx, const Gradient<T>& dweight) {
  const std::int64_t width = sizes.width;
  const std::vector<T> rows = rows_by_distance(sizes, weight);
  const Neighbours neighbours(sizes, tokens);
  const RowSums<T> sums = sum_over_rows<T>(
      sizes.batch * sizes.length, sizes.taps * width, [&](std::int64_t begin, std::int64_t end, T* partial) {
        for (std::int64_t s = begin; s < end; ++s) {
          T* target = dx.data == nullptr ? nullptr : dx.data + s * width;
          if (target != nullptr && !dx.add) std::fill_n(target, width, T{0});
          neighbours.after(s, [&](std::int64_t t, std::int64_t distance) {
            if (target != nullptr) add_product(width, rows.data() + distance * width, dy + t * width, target);
            if (dweight.data != nullptr) add_product(width, x + s * width, dy + t * width, partial + distance * width);
          });
        }
      });
  T* target = begin_sum(dweight, sizes.taps * width);
  if (target == nullptr) return;
  for (std::int64_t d = 0; d < sizes.taps; ++d) {
    for (std::int64_t e = 0; e < width; ++e) target[e * sizes.taps + sizes.taps - 1 - d] += sums.data()[d * width + e];
  }
}

#define COSFORMER_INSTANTIATE(T)                                                                                            \
  template void short_convolution_forward<T>(const ShortConvolutionSizes&, const ConvolvedTokens&, const T*, const T*, T*); \
  template void short_convolution_backward<T>(const ShortConvolutionSizes&, const ConvolvedTokens&, const T*, const T*,     \
                                              const T*, const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
