#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul/gemm.h"

namespace cosformer {

Variable head_linear(const Variable& x, const Variable& weight, const Variable& bias) {
  const bool fits =
      x.shape().rank() == 4 && weight.shape().rank() == 3 && weight.dim(0) == x.dim(2) && weight.dim(2) == x.dim(3);
  check<ShapeError>(fits, "[head_linear] x ", x.shape(), " and weight ", weight.shape(),
                    " are not [B, T, H, D] and [H, F, D]");
  check<ShapeError>(!bias.defined() || bias.shape() == Shape({weight.dim(0), weight.dim(1)}), "[head_linear] bias ",
                    bias.shape(), " is not [H, F] of the weight ", weight.shape());
  const std::int64_t rows = x.dim(0) * x.dim(1), heads = x.dim(2), D = x.dim(3), F = weight.dim(1);
  const Tensor input = x.value().contiguous(), w = weight.value().contiguous();
  const Tensor c = bias.defined() ? bias.value().contiguous() : Tensor();
  Tensor out = Tensor::empty({x.dim(0), x.dim(1), heads, F}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    for (std::int64_t h = 0; h < heads; ++h) {
      gemm<T>(Transpose::no, Transpose::yes, rows, F, D, input.data<T>() + h * D, heads * D, w.data<T>() + h * F * D, D,
              false, out.data<T>() + h * F, heads * F, c.defined() ? c.data<T>() + h * F : nullptr);
    }
  });
  return Variable::from_operation("head_linear", out, {&x, &weight, &bias},
                                  [input, w, rows, heads, D, F](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      const Gradient<T> dx = inputs.gradient<T>(0), dw = inputs.gradient<T>(1);
                                      for (std::int64_t h = 0; h < heads; ++h) {
                                        const T* d = dy.data<T>() + h * F;
                                        if (dx.data) {
                                          gemm<T>(Transpose::no, Transpose::no, rows, D, F, d, heads * F,
                                                  w.data<T>() + h * F * D, D, dx.add, dx.data + h * D, heads * D);
                                        }
                                        if (dw.data) {
                                          gemm<T>(Transpose::yes, Transpose::no, F, D, rows, d, heads * F,
                                                  input.data<T>() + h * D, heads * D, dw.add, dw.data + h * F * D, D);
                                        }
                                      }
                                      column_sums(dy.data<T>(), rows, heads * F, heads * F, inputs.gradient<T>(2));
                                    });
                                  });
}

}  // namespace cosformer
