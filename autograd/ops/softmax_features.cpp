#include "core/kernels/softmax_features.h"

#include <algorithm>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"

namespace cosformer {

Variable softmax_features(const Variable& x) {
  check<ShapeError>(x.shape().rank() >= 1 && x.dim(-1) >= 1, "[softmax_features] rows without numbers: ", x.shape());
  const std::int64_t width = x.dim(-1), rows = x.value().size() / width;
  const Tensor input = x.value().contiguous();
  Tensor out = Tensor::empty(x.shape().with_dim(-1, 2 * width), x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) { softmax_features_forward<T>(rows, width, input.data<T>(), out.data<T>()); });
  return Variable::from_operation(
      "softmax_features", out, {&x}, [rows, width, out](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = dout.contiguous();
        dispatch_float(dy.dtype(), [&]<class T>(T) {
          softmax_features_backward<T>(rows, width, out.data<T>(), dy.data<T>(), inputs.gradient<T>(0));
        });
      });
}

}  // namespace cosformer
