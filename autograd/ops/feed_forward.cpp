#include "core/kernels/blocks/feed_forward.h"

#include <algorithm>
#include <array>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/rows.h"
#include "core/error.h"

namespace cosformer {

Variable feed_forward(const Variable& x, const NormWeights& norm, const LinearWeights& fc1, const LinearWeights& fc2,
                      ScalarFunction f, const FeedForwardDropout& dropout) {
  check_norm("feed_forward", x, norm);
  check_linear("feed_forward", x, fc1);
  check<ShapeError>(fc1.bias.defined() && fc2.bias.defined() &&
                        fc2.weight.shape() == Shape({x.dim(-1), fc1.weight.dim(0)}) &&
                        fc2.bias.shape() == Shape({x.dim(-1)}),
                    "[feed_forward] fc1 ", fc1.weight.shape(), " and fc2 ", fc2.weight.shape(),
                    " with biases for an input of shape ", x.shape());
  const std::int64_t rows = row_count(x.shape()), width = x.dim(-1), ffn = fc1.weight.dim(0);
  const std::array<const Variable*, 7> operands = {&x,        &norm.weight, &norm.bias, &fc1.weight,
                                                   &fc1.bias, &fc2.weight,  &fc2.bias};
  std::array<Tensor, 7> values;
  std::ranges::transform(operands, values.begin(), [](const Variable* input) { return input->value().contiguous(); });
  const bool differentiable = std::ranges::any_of(operands, &Variable::requires_grad);
  Tensor mean = Tensor::empty({rows}, x.dtype()), inverse_deviation = Tensor::empty({rows}, x.dtype());
  Tensor hidden = differentiable ? Tensor::empty({rows, ffn}, x.dtype()) : Tensor();
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  const auto block_of = [values, rows, width, ffn, f, dropout]<class T>(T) {
    const auto data = [&](std::size_t k) { return values[k].data<T>(); };
    return FeedForwardBlock<T>{{rows, width, data(0), data(1), data(2)},
                               ffn,
                               f,
                               data(3),
                               data(4),
                               data(5),
                               data(6),
                               dropout.inner ? &*dropout.inner : nullptr,
                               dropout.outer ? &*dropout.outer : nullptr};
  };
  dispatch_float(x.dtype(), [&]<class T>(T) {
    feed_forward_block_forward<T>(block_of(T{}), norm.eps, out.data<T>(), mean.data<T>(), inverse_deviation.data<T>(),
                                  differentiable ? hidden.data<T>() : nullptr);
  });
  return Variable::from_operation(
      "feed_forward", out, {&x, &norm.weight, &norm.bias, &fc1.weight, &fc1.bias, &fc2.weight, &fc2.bias},
      [block_of, mean, inverse_deviation, hidden](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = dout.contiguous();
        dispatch_float(dy.dtype(), [&]<class T>(T) {
          const auto gradient = [&](std::size_t k) { return inputs.gradient<T>(k); };
          feed_forward_block_backward<T>(block_of(T{}), mean.data<T>(), inverse_deviation.data<T>(), hidden.data<T>(),
                                         dy.data<T>(), gradient(0),
                                         {{gradient(1), gradient(2)}, gradient(3), gradient(4), gradient(5), gradient(6)});
        });
      });
}

}  // namespace cosformer
