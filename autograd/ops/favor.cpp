#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/favor/favor_features.h"

namespace cosformer {

Variable favor_features(const Variable& x, const Tensor& projection) {
  check<ShapeError>(
      x.shape().rank() == 4 && projection.rank() == 3 && projection.dim(0) == x.dim(2) && projection.dim(2) == x.dim(3),
      "[favor_features] projection ", projection.shape(), " for an input of shape ", x.shape());
  const FavorSizes sizes{x.dim(0), x.dim(1), x.dim(2), x.dim(3), projection.dim(1)};
  const Tensor input = inner_contiguous(x.value()), w = projection.contiguous();
  Tensor out = Tensor::empty({sizes.batch, sizes.length, sizes.heads, sizes.features}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    favor_features_forward<T>(sizes, heads_of<T>(input), w.data<T>(), mutable_heads_of<T>(out));
  });
  return Variable::from_operation("favor_features", out, {&x},
                                  [sizes, input, w, out](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = inner_contiguous(dout);
                                    dispatch_float(input.dtype(), [&]<class T>(T) {
                                      favor_features_backward<T>(sizes, heads_of<T>(input), w.data<T>(), heads_of<T>(out),
                                                                 heads_of<T>(dy), inputs.gradient<T>(0));
                                    });
                                  });
}

}  // namespace cosformer
