#include "core/kernels/rotate_positions.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

Variable rotate_positions(const Variable& x, const SharedPaddingMask& mask, std::int64_t first, double base) {
  check<ShapeError>(x.shape().rank() == 4 && x.dim(3) % 2 == 0,
                    "[rotate_positions] expected [B, T, H, D] with an even D, found ", x.shape());
  check<ShapeError>(!mask || (mask->batch == x.dim(0) && mask->length == x.dim(1)),
                    "[rotate_positions] a mask of another shape than the batch ", x.shape());
  const auto rotated = [mask, first, base]<class T>(const Tensor& source, bool backward, const Gradient<T>& target) {
    const Tensor in = inner_contiguous(source);
    RotationOptions options{.base = base, .first = first, .backward = backward};
    if (mask && !mask->positions.empty()) options.positions = mask->positions.data();
    rotate_positions<T>(in.dim(0), in.dim(1), in.dim(2), in.dim(3), options, heads_of<T>(in), target);
  };
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) { rotated(x.value(), false, Gradient<T>{out.data<T>(), false}); });
  return Variable::from_operation("rotate_positions", out, {&x}, [rotated](const Tensor& dout, InputGradients& inputs) {
    dispatch_float(dout.dtype(), [&]<class T>(T) { rotated(dout, true, inputs.gradient<T>(0)); });
  });
}

}  // namespace cosformer
