#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/matmul/gemm.h"

namespace cosformer {

namespace {

/// x [B, S, ..] contiguous, with zeros at padding.
Tensor real_rows(const Tensor& x, const SharedPaddingMask& mask) {
  if (!mask) return x.contiguous();
  Tensor real = x.clone();
  for (std::int64_t b = 0; b < mask->batch; ++b) {
    for (std::int64_t s = 0; s < mask->length; ++s) {
      if (mask->real[static_cast<std::size_t>(b * mask->length + s)] == 0) real.narrow(0, b, 1).narrow(1, s, 1).fill(0);
    }
  }
  return real;
}

}  // namespace

Variable project_length(const Variable& x, const Variable& weights, const SharedPaddingMask& mask) {
  const bool fits =
      x.shape().rank() == 4 && weights.shape().rank() == 3 && x.dim(0) == weights.dim(0) && x.dim(1) == weights.dim(1);
  check<ShapeError>(fits, "[project_length] x ", x.shape(), " and weights ", weights.shape(),
                    " are not [B, S, H, E] and [B, S, R]");
  const std::int64_t batch = x.dim(0), length = x.dim(1), width = x.dim(2) * x.dim(3), rows = weights.dim(2);
  check<ShapeError>(!mask || (mask->batch == batch && mask->length == length),
                    "[project_length] a mask of another shape than [", batch, ", ", length, ']');
  const Tensor source = real_rows(x.value(), mask), w = weights.value().contiguous();
  Tensor out = Tensor::empty({batch, rows, x.dim(2), x.dim(3)}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    for (std::int64_t b = 0; b < batch; ++b) {
      gemm<T>(Transpose::yes, Transpose::no, rows, width, length, w.data<T>() + b * length * rows, rows,
              source.data<T>() + b * length * width, width, false, out.data<T>() + b * rows * width, width);
    }
  });
  return Variable::from_operation("project_length", out, {&x, &weights}, [=](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = dout.contiguous();
    Tensor dx = Tensor::empty(source.shape(), source.dtype());
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      const Gradient<T> dw = inputs.gradient<T>(1);
      for (std::int64_t b = 0; b < batch; ++b) {
        const T* d = dy.data<T>() + b * rows * width;
        gemm<T>(Transpose::no, Transpose::no, length, width, rows, w.data<T>() + b * length * rows, rows, d, width, false,
                dx.data<T>() + b * length * width, width);
        if (!dw.data) continue;
        gemm<T>(Transpose::no, Transpose::yes, length, rows, width, source.data<T>() + b * length * width, width, d, width,
                dw.add, dw.data + b * length * rows, rows);
      }
    });
    inputs.add(0, real_rows(dx, mask));
  });
}

}  // namespace cosformer
