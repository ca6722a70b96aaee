#include "core/kernels/blocks/norm_linear.h"

#include <utility>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/rows.h"
#include "core/error.h"

namespace cosformer {

std::vector<Variable> norm_linear(const Variable& x, const NormWeights& norm, std::span<const LinearWeights> layers) {
  check_norm("norm_linear", x, norm);
  for (const LinearWeights& layer : layers) check_linear("norm_linear", x, layer);
  const std::int64_t width = x.dim(-1), rows = row_count(x.shape());
  const Tensor input = x.value().contiguous(), norm_weight = norm.weight.value().contiguous(),
               norm_bias = norm.bias.value().contiguous();
  Tensor mean = Tensor::empty({rows}, x.dtype()), inverse_deviation = Tensor::empty({rows}, x.dtype());
  std::vector<Tensor> weights, values;
  std::vector<const Variable*> operands{&x, &norm.weight, &norm.bias};
  for (const LinearWeights& layer : layers) {
    weights.push_back(layer.weight.value().contiguous());
    values.push_back(Tensor::empty(x.shape().with_dim(-1, layer.weight.dim(0)), x.dtype()));
    operands.push_back(&layer.weight);
    operands.push_back(&layer.bias);
  }
  dispatch_float(x.dtype(), [&]<class T>(T) {
    std::vector<Tensor> biases;
    std::vector<NormLinear<T>> projections;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      biases.push_back(layers[i].bias.defined() ? layers[i].bias.value().contiguous() : Tensor());
      projections.push_back(
          {weights[i].dim(0), std::as_const(weights[i]).data<T>(), data_or_null<T>(biases[i]), values[i].data<T>()});
    }
    norm_linear_forward<T>({rows, width, input.data<T>(), norm_weight.data<T>(), norm_bias.data<T>()}, norm.eps, projections,
                           mean.data<T>(), inverse_deviation.data<T>());
  });
  return Variable::from_operation(
      "norm_linear", values, operands,
      [input, norm_weight, norm_bias, mean, inverse_deviation, weights, rows, width](std::span<const Tensor> douts,
                                                                                     InputGradients& inputs) {
        std::vector<Tensor> dys;
        for (const Tensor& dout : douts) dys.push_back(dout.defined() ? dout.contiguous() : Tensor());
        dispatch_float(input.dtype(), [&]<class T>(T) {
          std::vector<NormLinearGradient<T>> projections;
          for (std::size_t i = 0; i < weights.size(); ++i) {
            projections.push_back({weights[i].dim(0), weights[i].data<T>(), data_or_null<T>(dys[i]),
                                   inputs.gradient<T>(3 + 2 * i), inputs.gradient<T>(4 + 2 * i)});
          }
          norm_linear_backward<T>({rows, width, input.data<T>(), norm_weight.data<T>(), norm_bias.data<T>()}, mean.data<T>(),
                                  inverse_deviation.data<T>(), projections, inputs.gradient<T>(0),
                                  {inputs.gradient<T>(1), inputs.gradient<T>(2)});
        });
      });
}

}  // namespace cosformer
