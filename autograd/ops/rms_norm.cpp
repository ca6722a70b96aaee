#include "core/kernels/rms_norm.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/rows.h"
#include "core/error.h"

namespace cosformer {

Variable rms_norm(const Variable& x, const Variable& weight, double eps) {
  check<ShapeError>(x.shape().rank() >= 1 && weight.shape() == Shape({x.dim(-1)}), "[rms_norm] weight ", weight.shape(),
                    " for an input of shape ", x.shape());
  const std::int64_t width = x.dim(-1), rows = row_count(x.shape());
  const Tensor input = x.value().contiguous(), w = weight.value().contiguous();
  Tensor out = Tensor::empty(x.shape(), x.dtype()), inverse = Tensor::empty({rows}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    rms_norm_forward(rows, width, input.data<T>(), w.data<T>(), eps, out.data<T>(), inverse.data<T>());
  });
  return Variable::from_operation("rms_norm", out, {&x, &weight},
                                  [input, w, inverse, rows, width](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      rms_norm_backward(rows, width, input.data<T>(), inverse.data<T>(), w.data<T>(),
                                                        dy.data<T>(), inputs.gradient<T>(0), inputs.gradient<T>(1));
                                    });
                                  });
}

}  // namespace cosformer
