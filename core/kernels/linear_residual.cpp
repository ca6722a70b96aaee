#include "core/kernels/linear_residual.h"

#include "core/kernels/packed_matrix.h"
#include "core/kernels/row_tiles.h"

namespace cosformer {

using detail::Factor;
using detail::Rows;
using detail::Scratch;

template <class T>
void linear_residual_forward(const LinearResidual<T>& layer, const T* residual, T* y) {
  const auto weight = detail::PackedMatrix<T>::of_transpose(layer.width, layer.out, {layer.weight, layer.width});
  detail::for_each_segment(layer.rows, [&](std::int64_t, auto&& for_each_tile) {
    const Scratch<T> branch(detail::kTileRows, layer.out);
    for_each_tile([&](std::int64_t begin, std::int64_t count) {
      weight.multiply(count, {layer.x + begin * layer.width, layer.width}, layer.bias, branch.rows());
      if (layer.dropout) detail::dropout_rows<T>(*layer.dropout, begin, count, layer.out, branch.rows(), branch.rows());
      detail::sum_rows<T>(count, layer.out, {residual + begin * layer.out, layer.out}, branch.rows(),
                          {y + begin * layer.out, layer.out});
    });
  });
}

template <class T>
void linear_residual_backward(const LinearResidual<T>& layer, const T* dy, const Gradient<T>& dx, const Gradient<T>& dweight,
                              const Gradient<T>& dbias) {
  const std::int64_t width = layer.width, out = layer.out;
  const detail::SegmentSums<T> sums(layer.rows, out * (width + 1));
  detail::for_each_segment(layer.rows, [&](std::int64_t segment, auto&& for_each_tile) {
    const Scratch<T> dropped(layer.dropout ? detail::kTileRows : 0, out);
    T* const own = sums.of(segment);
    for_each_tile([&](std::int64_t begin, std::int64_t count) {
      Rows<const T> d{dy + begin * out, out};
      if (layer.dropout) {
        detail::dropout_rows<T>(*layer.dropout, begin, count, out, d, dropped.rows());
        d = dropped.rows();
      }
      detail::multiply<T>(out, width, count, Factor<T>::transposed(d), Rows<const T>{layer.x + begin * width, width}, true,
                          {own, width});
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
