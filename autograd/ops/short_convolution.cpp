#include "core/kernels/short_convolution.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"

namespace cosformer {

Variable short_convolution(const Variable& x, const Variable& weight, const SharedPaddingMask& mask) {
  check<ShapeError>(x.shape().rank() == 3 && weight.shape().rank() == 2 && weight.dim(0) == x.dim(2) && weight.dim(1) >= 1,
                    "[short_convolution] a weight of shape ", weight.shape(), " for an input of shape ", x.shape());
  check<ShapeError>(!mask || (mask->batch == x.dim(0) && mask->length == x.dim(1)),
                    "[short_convolution] a mask of another shape than the batch ", x.shape());
  const ShortConvolutionSizes sizes{x.dim(0), x.dim(1), x.dim(2), weight.dim(1)};
  const auto tokens_of = [](const SharedPaddingMask& own) {
    ConvolvedTokens tokens;
    if (own) tokens.real = own->real.data();
    if (own && !own->positions.empty()) tokens.positions = own->positions.data();
    return tokens;
  };
  const Tensor input = x.value().contiguous(), w = weight.value().contiguous();
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    short_convolution_forward(sizes, tokens_of(mask), input.data<T>(), w.data<T>(), out.data<T>());
  });
  return Variable::from_operation("short_convolution", out, {&x, &weight},
                                  [sizes, tokens_of, mask, input, w](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      short_convolution_backward(sizes, tokens_of(mask), input.data<T>(), w.data<T>(),
                                                                 dy.data<T>(), inputs.gradient<T>(0), inputs.gradient<T>(1));
                                    });
                                  });
}

}  // namespace cosformer
