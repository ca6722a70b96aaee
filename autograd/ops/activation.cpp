#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"

namespace cosformer {

namespace {

Variable elementwise(const char* name, ScalarFunction f, const Variable& x) {
  const Tensor input = x.value().contiguous();
  Tensor out = Tensor::empty(input.shape(), input.dtype());
  dispatch_float(input.dtype(), [&]<class T>(T) { activation_forward(f, input.data<T>(), out.data<T>(), out.size()); });
  return Variable::from_operation(name, out, {&x}, [f, input](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = dout.contiguous();
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      activation_backward(f, input.data<T>(), dy.data<T>(), inputs.gradient<T>(0), dy.size());
    });
  });
}

}  // namespace

Variable relu(const Variable& x) { return elementwise("relu", ScalarFunction::relu, x); }
Variable gelu(const Variable& x) { return elementwise("gelu", ScalarFunction::gelu, x); }

Variable bias_activation(const Variable& x, const Variable& bias, ScalarFunction f) {
  check<ShapeError>(x.shape().rank() >= 1 && bias.shape() == Shape({x.dim(-1)}), "[bias_activation] bias of shape ",
                    bias.shape(), " for an input of shape ", x.shape());
  const std::int64_t width = x.dim(-1), rows = width == 0 ? 0 : x.value().size() / width;
  const Tensor input = x.value().contiguous(), b = bias.value().contiguous();
  Tensor biased = Tensor::empty(x.shape(), x.dtype()), out = Tensor::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    bias_activation_forward(f, input.data<T>(), b.data<T>(), biased.data<T>(), out.data<T>(), rows, width);
  });
  return Variable::from_operation("bias_activation", out, {&x, &bias},
                                  [f, biased, rows, width](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      bias_activation_backward(f, biased.data<T>(), dy.data<T>(), inputs.gradient<T>(0),
                                                               inputs.gradient<T>(1), rows, width);
                                    });
                                  });
}

Variable dropout(const Variable& x, double probability, const Random& stream) {
  check<ShapeError>(probability >= 0 && probability < 1, "[dropout] probability ", probability, " is not in [0, 1)");
  const auto masked = [probability, stream](const Tensor& source) {
    const Tensor in = source.contiguous();
    Tensor out = Tensor::empty(in.shape(), in.dtype());
    dispatch_float(in.dtype(),
                   [&]<class T>(T) { apply_dropout(probability, stream, in.data<T>(), out.data<T>(), in.size()); });
    return out;
  };
  return Variable::from_operation("dropout", masked(x.value()), {&x},
                                  [masked](const Tensor& dout, InputGradients& inputs) { inputs.add(0, masked(dout)); });
}

}  // namespace cosformer
