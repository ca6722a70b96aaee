#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/optimizer.h"

namespace cosformer {

Variable squared_error(const Variable& x, const Tensor& target, double factor) {
  check<ShapeError>(x.shape() == target.shape() && x.dtype() == target.dtype(), "[squared_error] a target of shape ",
                    target.shape(), " for a value of shape ", x.shape());
  const Tensor difference = subtract(x.detach(), Variable(target)).value();
  double sum = 0;
  dispatch_float(x.dtype(), [&]<class T>(T) { sum = sum_of_squares(difference.data<T>(), difference.size()); });
  return Variable::from_operation("squared_error", Tensor::scalar(factor * sum, x.dtype()), {&x},
                                  [difference, factor](const Tensor& dout, InputGradients& inputs) {
                                    inputs.add(0, scale(Variable(difference), 2 * factor * dout.item()).value());
                                  });
}

}  // namespace cosformer
