#include "core/kernels/cosine_features.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

Variable cosine_features(const Variable& x, const Variable& theta, const SharedPaddingMask& mask, std::int64_t first) {
  check<ShapeError>(x.shape().rank() == 4 && theta.shape() == Shape({x.dim(2), x.dim(3)}),
                    "[cosine_features] angles of shape ", theta.shape(), " for heads of shape ", x.shape());
  check<ShapeError>(!mask || (mask->batch == x.dim(0) && mask->length == x.dim(1)),
                    "[cosine_features] a mask of another shape than the batch ", x.shape());
  const AttentionSizes sizes{.batch = x.dim(0), .queries = x.dim(1), .keys = 0, .heads = x.dim(2), .head_dim = x.dim(3)};
  const auto places = [first](const SharedPaddingMask& own) {
    return FeaturePositions{first, own && !own->positions.empty() ? own->positions.data() : nullptr};
  };
  const Tensor input = inner_contiguous(x.value()), steps = theta.value().contiguous();
  Tensor out = Tensor::empty(x.shape().with_dim(-1, 2 * x.dim(3)), x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    cosine_features_forward<T>(sizes, places(mask), heads_of<T>(input), steps.data<T>(), out.data<T>());
  });
  return Variable::from_operation(
      "cosine_features", out, {&x, &theta}, [sizes, places, mask, input, steps](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = dout.contiguous();
        dispatch_float(dy.dtype(), [&]<class T>(T) {
          cosine_features_backward<T>(sizes, places(mask), heads_of<T>(input), steps.data<T>(), dy.data<T>(),
                                      inputs.gradient<T>(0), inputs.gradient<T>(1));
        });
      });
}

}  // namespace cosformer
