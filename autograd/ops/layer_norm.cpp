#include "core/kernels/layer_norm.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/rows.h"

namespace cosformer {

Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double eps) {
  const bool has_bias = bias.defined();
  check_norm("layer_norm", x, {weight, has_bias ? bias : weight, eps});
  const std::int64_t width = x.dim(-1), rows = row_count(x.shape());
  const Tensor input = x.value().contiguous(), w = weight.value().contiguous(),
               b = has_bias ? bias.value().contiguous() : Tensor::zeros({width}, x.dtype());
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  Tensor mean = Tensor::empty({rows}, x.dtype()), inverse_deviation = Tensor::empty({rows}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    layer_norm_forward(rows, width, input.data<T>(), width, w.data<T>(), b.data<T>(), eps, out.data<T>(), width,
                       mean.data<T>(), inverse_deviation.data<T>());
  });
  return Variable::from_operation(
      "layer_norm", out, {&x, &weight, &bias},
      [input, w, mean, inverse_deviation, rows, width](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = dout.contiguous();
        dispatch_float(dy.dtype(), [&]<class T>(T) {
          layer_norm_backward(rows, width, input.data<T>(), width, mean.data<T>(), inverse_deviation.data<T>(), w.data<T>(),
                              dy.data<T>(), width, inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2));
        });
      });
}

}  // namespace cosformer
