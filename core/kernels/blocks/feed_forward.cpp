#include "core/kernels/blocks/feed_forward.h"

#include "core/kernels/blocks/norm_rows.h"
#include "core/kernels/blocks/row_tiles.h"
#include "core/kernels/matmul/packed_matrix.h"

namespace cosformer {

using detail::Factor;
using detail::MatrixView;
using detail::ScratchMatrix;

template <class T>
void feed_forward_block_forward(const FeedForwardBlock<T>& block, double eps, T* y, T* mean, T* inverse_deviation,
                                T* hidden) {
  const NormRows<T>& norm = block.norm;
  const std::int64_t width = norm.width, ffn = block.ffn;
  const auto fc1 = detail::PackedMatrix<T>::of_transpose(width, ffn, {block.fc1_weight, width}),
             fc2 = detail::PackedMatrix<T>::of_transpose(ffn, width, {block.fc2_weight, ffn});
  detail::for_each_strip(norm.rows, [&](std::int64_t, auto&& for_each_tile) {
    const ScratchMatrix<T> normalized(detail::kTileRows, width), activated(detail::kTileRows, ffn),
        branch(detail::kTileRows, width);
    for_each_tile([&](std::int64_t begin, std::int64_t count) {
      detail::normalize_rows<T>(norm, eps, begin, count, mean, inverse_deviation, normalized.view());
      const MatrixView<T> u = hidden ? MatrixView<T>{hidden + begin * ffn, ffn} : activated.view();
      fc1.multiply(count, normalized.view(), block.fc1_bias, u);
      function_rows(block.activation, count, ffn, u.data, u.stride, activated.data(), activated.view().stride);
      if (block.inner_dropout) {
        detail::dropout_rows<T>(*block.inner_dropout, begin, count, ffn, activated.view(), activated.view());
      }
      fc2.multiply(count, activated.view(), block.fc2_bias, branch.view());
      if (block.outer_dropout)
        detail::dropout_rows<T>(*block.outer_dropout, begin, count, width, branch.view(), branch.view());
      detail::sum_rows<T>(count, width, {norm.x + begin * width, width}, branch.view(), {y + begin * width, width});
    });
  });
}

template <class T>
void feed_forward_block_backward(const FeedForwardBlock<T>& block, const T* mean, const T* inverse_deviation,
                                 const T* hidden, const T* dy, const Gradient<T>& dx,
                                 const FeedForwardGradients<T>& gradients) {
  const NormRows<T>& norm = block.norm;
  const std::int64_t width = norm.width, ffn = block.ffn, weights = ffn * width;
  // A strip's sums: weights and biases of fc1 and fc2, then weight and bias of the norm.
  const std::int64_t fc1_bias = weights, fc2_weight = fc1_bias + ffn, fc2_bias = fc2_weight + weights,
                     norm_weight = fc2_bias + width;
  const detail::StripSums<T> sums(norm.rows, norm_weight + 2 * width);
  detail::for_each_strip(norm.rows, [&](std::int64_t strip, auto&& for_each_tile) {
    const ScratchMatrix<T> normalized(detail::kTileRows, width), dnormalized(detail::kTileRows, width);
    const ScratchMatrix<T> activated(detail::kTileRows, ffn), slopes(detail::kTileRows, ffn),
        dhidden(detail::kTileRows, ffn);
    const ScratchMatrix<T> dropped(block.outer_dropout ? detail::kTileRows : 0, width);
    T* const own = sums.of(strip);
    for_each_tile([&](std::int64_t begin, std::int64_t count) {
      MatrixView<const T> d{dy + begin * width, width};
      if (block.outer_dropout) {
        detail::dropout_rows<T>(*block.outer_dropout, begin, count, width, d, dropped.view());
        d = dropped.view();
      }
      detail::renormalize_rows<T>(norm, begin, count, mean, inverse_deviation, normalized.view());
      for (std::int64_t i = 0; i < count; ++i) {
        function_row_with_slope(block.activation, hidden + (begin + i) * ffn, activated[i], slopes[i], ffn);
      }
      if (block.inner_dropout) {
        detail::dropout_rows<T>(*block.inner_dropout, begin, count, ffn, activated.view(), activated.view());
        detail::dropout_rows<T>(*block.inner_dropout, begin, count, ffn, slopes.view(), slopes.view());
      }
      detail::multiply<T>(width, ffn, count, Factor<T>::transposed(d), activated.view(), true, {own + fc2_weight, ffn});
      detail::add_rows<T>(count, width, d, own + fc2_bias);
      detail::multiply<T>(count, ffn, width, d, {block.fc2_weight, ffn}, false, dhidden.view());
      detail::multiply_rows<T>(count, ffn, slopes.view(), dhidden.view(), dhidden.view());
      detail::multiply<T>(ffn, width, count, Factor<T>::transposed(dhidden.view()), normalized.view(), true, {own, width});
      detail::add_rows<T>(count, ffn, dhidden.view(), own + fc1_bias);
      detail::multiply<T>(count, width, ffn, dhidden.view(), {block.fc1_weight, width}, false, dnormalized.view());
      // The normalised rows have served: a gradient that is not wanted goes there.
      const MatrixView<T> dx_rows = dx.data ? MatrixView<T>{dx.data + begin * width, width} : normalized.view();
      if (dx.add) {
        detail::sum_rows<T>(count, width, {dy + begin * width, width}, dx_rows, dx_rows);
      }
      detail::normalize_rows_backward<T>(
          norm, begin, count, mean, inverse_deviation, dnormalized.view(),
          dx.add ? MatrixView<const T>(dx_rows) : MatrixView<const T>{dy + begin * width, width}, dx_rows, own + norm_weight,
          own + norm_weight + width);
    });
  });
  sums.put(gradients.fc1_dweight, 0, weights);
  sums.put(gradients.fc1_dbias, fc1_bias, ffn);
  sums.put(gradients.fc2_dweight, fc2_weight, weights);
  sums.put(gradients.fc2_dbias, fc2_bias, width);
  sums.put(gradients.norm.dweight, norm_weight, width);
  sums.put(gradients.norm.dbias, norm_weight + width, width);
}

#define COSFORMER_INSTANTIATE(T)                                                                                   \
  template void feed_forward_block_forward<T>(const FeedForwardBlock<T>&, double, T*, T*, T*, T*);                 \
  template void feed_forward_block_backward<T>(const FeedForwardBlock<T>&, const T*, const T*, const T*, const T*, \
                                               const Gradient<T>&, const FeedForwardGradients<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
