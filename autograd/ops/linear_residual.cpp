#include "core/kernels/blocks/linear_residual.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/rows.h"
#include "core/error.h"

namespace cosformer {

Variable linear_residual(const Variable& x, const LinearWeights& layer, const Variable& residual,
                         const std::optional<DropoutMask>& dropout) {
  check_linear("linear_residual", x, layer);
  check<ShapeError>(residual.shape() == x.shape().with_dim(-1, layer.weight.dim(0)), "[linear_residual] residual of shape ",
                    residual.shape(), " for an input of shape ", x.shape(), " and a weight of shape ", layer.weight.shape());
  const std::int64_t rows = row_count(x.shape()), width = x.dim(-1), out_width = layer.weight.dim(0);
  const Tensor input = x.value().contiguous(), weight = layer.weight.value().contiguous(),
               skip = residual.value().contiguous();
  const Tensor bias = layer.bias.defined() ? layer.bias.value().contiguous() : Tensor();
  Tensor out = Tensor::empty(residual.shape(), x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    linear_residual_forward<T>(
        {rows, width, out_width, input.data<T>(), weight.data<T>(), data_or_null<T>(bias), dropout ? &*dropout : nullptr},
        skip.data<T>(), out.data<T>());
  });
  return Variable::from_operation(
      "linear_residual", out, {&x, &layer.weight, &layer.bias, &residual},
      [input, weight, rows, width, out_width, dropout](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = dout.contiguous();
        inputs.add(3, dy);
        dispatch_float(dy.dtype(), [&]<class T>(T) {
          linear_residual_backward<T>(
              {rows, width, out_width, input.data<T>(), weight.data<T>(), nullptr, dropout ? &*dropout : nullptr},
              dy.data<T>(), inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2));
        });
      });
}

}  // namespace cosformer
