#include <algorithm>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/rows.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul/gemm.h"

namespace cosformer {

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  check_linear("linear", x, {weight, bias});
  const std::int64_t out_features = weight.dim(0), in_features = weight.dim(1);
  const std::int64_t rows = x.value().size() / std::max<std::int64_t>(in_features, 1);
  const Tensor input = x.value().contiguous(), w = weight.value().contiguous();
  const Tensor b = bias.defined() ? bias.value().contiguous() : Tensor();
  Tensor out = Tensor::empty(x.shape().with_dim(-1, out_features), x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    gemm<T>(Transpose::no, Transpose::yes, rows, out_features, in_features, input.data<T>(), in_features, w.data<T>(),
            in_features, false, out.data<T>(), out_features, b.defined() ? b.data<T>() : nullptr);
  });
  return Variable::from_operation("linear", out, {&x, &weight, &bias},
                                  [input, w, rows, in_features, out_features](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      if (const auto dx = inputs.gradient<T>(0); dx.data) {
                                        gemm<T>(Transpose::no, Transpose::no, rows, in_features, out_features, dy.data<T>(),
                                                out_features, w.data<T>(), in_features, dx.add, dx.data, in_features);
                                      }
                                      if (const auto dw = inputs.gradient<T>(1); dw.data) {
                                        gemm<T>(Transpose::yes, Transpose::no, out_features, in_features, rows, dy.data<T>(),
                                                out_features, input.data<T>(), in_features, dw.add, dw.data, in_features);
                                      }
                                      column_sums(dy.data<T>(), rows, out_features, out_features, inputs.gradient<T>(2));
                                    });
                                  });
}

}  // namespace cosformer
