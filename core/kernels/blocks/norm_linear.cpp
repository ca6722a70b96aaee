#include "core/kernels/blocks/norm_linear.h"

#include <vector>

#include "core/kernels/blocks/norm_rows.h"
#include "core/kernels/blocks/row_tiles.h"
#include "core/kernels/matmul/packed_matrix.h"

namespace cosformer {

using detail::Factor;
using detail::MatrixView;
using detail::ScratchMatrix;

template <class T>
void norm_linear_forward(const NormRows<T>& norm, double eps, std::span<const NormLinear<T>> layers, T* mean,
                         T* inverse_deviation) {
  std::vector<detail::PackedMatrix<T>> weights;
  for (const NormLinear<T>& layer : layers) {
    weights.push_back(detail::PackedMatrix<T>::of_transpose(norm.width, layer.out, {layer.weight, norm.width}));
  }
  detail::for_each_strip(norm.rows, [&](std::int64_t, auto&& for_each_tile) {
    const ScratchMatrix<T> normalized(detail::kTileRows, norm.width);
    for_each_tile([&](std::int64_t begin, std::int64_t count) {
      detail::normalize_rows<T>(norm, eps, begin, count, mean, inverse_deviation, normalized.view());
      for (std::size_t i = 0; i < layers.size(); ++i) {
        const NormLinear<T>& layer = layers[i];
        weights[i].multiply(count, normalized.view(), layer.bias, {layer.y + begin * layer.out, layer.out});
      }
    });
  });
}

template <class T>
void norm_linear_backward(const NormRows<T>& norm, const T* mean, const T* inverse_deviation,
                          std::span<const NormLinearGradient<T>> layers, const Gradient<T>& dx,
                          const NormGradients<T>& gradients) {
  const std::int64_t width = norm.width;
  // A strip's sums: of each layer dweight and dbias, then those of the norm.
  std::vector<std::int64_t> places;
  std::int64_t size = 0;
  for (const NormLinearGradient<T>& layer : layers) {
    places.push_back(size);
    size += layer.out * (width + 1);
  }
  const detail::StripSums<T> sums(norm.rows, size + 2 * width);
  detail::for_each_strip(norm.rows, [&](std::int64_t strip, auto&& for_each_tile) {
    const ScratchMatrix<T> normalized(detail::kTileRows, width), dnormalized(detail::kTileRows, width);
    T* const own = sums.of(strip);
    for_each_tile([&](std::int64_t begin, std::int64_t count) {
      detail::renormalize_rows<T>(norm, begin, count, mean, inverse_deviation, normalized.view());
      bool first = true;
      for (std::size_t i = 0; i < layers.size(); ++i) {
        const NormLinearGradient<T>& layer = layers[i];
        if (layer.dy == nullptr) continue;
        const MatrixView<const T> dy{layer.dy + begin * layer.out, layer.out};
        T* const dweight = own + places[i];
        detail::multiply<T>(layer.out, width, count, Factor<T>::transposed(dy), normalized.view(), true, {dweight, width});
        detail::add_rows<T>(count, layer.out, dy, dweight + layer.out * width);
        detail::multiply<T>(count, width, layer.out, dy, {layer.weight, width}, !first, dnormalized.view());
        first = false;
      }
      if (first) detail::zero_rows(count, width, dnormalized.view());
      // The normalised rows have served: a gradient that is not wanted goes there.
      const MatrixView<T> target = dx.data ? MatrixView<T>{dx.data + begin * width, width} : normalized.view();
      detail::normalize_rows_backward<T>(norm, begin, count, mean, inverse_deviation, dnormalized.view(),
                                         MatrixView<const T>{dx.add ? target.data : nullptr, width}, target, own + size,
                                         own + size + width);
    });
  });
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::int64_t weights = layers[i].out * width;
    sums.put(layers[i].dweight, places[i], weights);
    sums.put(layers[i].dbias, places[i] + weights, layers[i].out);
  }
  sums.put(gradients.dweight, size, width);
  sums.put(gradients.dbias, size + width, width);
}

#define COSFORMER_INSTANTIATE(T)                                                                                        \
  template void norm_linear_forward<T>(const NormRows<T>&, double, std::span<const NormLinear<T>>, T*, T*);             \
  template void norm_linear_backward<T>(const NormRows<T>&, const T*, const T*, std::span<const NormLinearGradient<T>>, \
                                        const Gradient<T>&, const NormGradients<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
