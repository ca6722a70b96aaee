#include "core/kernels/gated_product.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"

namespace cosformer {

Variable gated_product(const Variable& x, const Variable& z, ScalarFunction f) {
  check<ShapeError>(x.shape() == z.shape(), "[gated_product] shapes differ: ", x.shape(), " and ", z.shape());
  const Tensor input = x.value().contiguous(), gate = z.value().contiguous();
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(),
                 [&]<class T>(T) { gated_product_forward(f, input.data<T>(), gate.data<T>(), out.data<T>(), out.size()); });
  return Variable::from_operation("gated_product", out, {&x, &z},
                                  [input, gate, f](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      gated_product_backward(f, input.data<T>(), gate.data<T>(), dy.data<T>(),
                                                             inputs.gradient<T>(0), inputs.gradient<T>(1), dy.size());
                                    });
                                  });
}

}  // namespace cosformer
