#include "core/kernels/blocks/linear_residual.h"

#include "core/kernels/blocks/row_tiles.h"
#include "core/kernels/matmul/packed_matrix.h"

namespace cosformer {

using detail::Factor;
using detail::MatrixView;
using detail::ScratchMatrix;

template <class T>
void linear_residual_forward(const LinearResidual<T>& layer, const T* residual, T* y) {
  const auto weight = detail::PackedMatrix<T>::of_transpose(layer.width, layer.out, {layer.weight, layer.width});
  detail::for_each_strip(layer.rows, [&](std::int64_t, auto&& for_each_tile) {
    const ScratchMatrix<T> branch(detail::kTileRows, layer.out);
    for_each_tile([&](std::int64_t begin, std::int64_t count) {
      weight.multiply(count, {layer.x + begin * layer.width, layer.width}, layer.bias, branch.view());
      if (layer.dropout) detail::dropout_rows<T>(*layer.dropout, begin, count, layer.out, branch.view(), branch.view());
      detail::sum_rows<T>(count, layer.out, {residual + begin * layer.out, layer.out}, branch.view(),
                          {y + begin * layer.out, layer.out});
    });
  });
}

template <class T>
void linear_residual_backward(const LinearResidual<T>& layer, const T* dy, const Gradient<T>& dx, const Gradient<T>& dweight,
                              const Gradient<T>& dbias) {
  const std::int64_t width = layer.width, out = layer.out;
  const detail::StripSums<T> sums(layer.rows, out * (width + 1));
  detail::for_each_strip(layer.rows, [&](std::int64_t strip, auto&& for_each_tile) {
    const ScratchMatrix<T> dropped(layer.dropout ? detail::kTileRows : 0, out);
    T* const own = sums.of(strip);
    for_each_tile([&](std::int64_t begin, std::int64_t count) {
      MatrixView<const T> d{dy + begin * out, out};
      if (layer.dropout) {
        detail::dropout_rows<T>(*layer.dropout, begin, count, out, d, dropped.view());
        d = dropped.view();
      }
      detail::multiply<T>(out, width, count, Factor<T>::transposed(d), MatrixView<const T>{layer.x + begin * width, width},
                          true, {own, width});
      detail::add_rows<T>(count, out, d, own + out * width);
      if (dx.data) {
        detail::multiply<T>(count, width, out, d, {layer.weight, width}, dx.add, {dx.data + begin * width, width});
      }
    });
  });
  sums.put(dweight, 0, out * width);
  sums.put(dbias, out * width, out);
}

#define COSFORMER_INSTANTIATE(T)                                                                                        \
  template void linear_residual_forward<T>(const LinearResidual<T>&, const T*, T*);                                     \
  template void linear_residual_backward<T>(const LinearResidual<T>&, const T*, const Gradient<T>&, const Gradient<T>&, \
                                            const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
