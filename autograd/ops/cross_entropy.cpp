#include "core/kernels/cross_entropy.h"

#include <algorithm>
#include <array>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/rows.h"
#include "core/error.h"

namespace cosformer {

Variable cross_entropy(const Variable& logits, const Tensor& targets, double factor, double label_smoothing) {
  check<ShapeError>(logits.shape().rank() == 2 && targets.shape() == Shape({logits.dim(0)}),
                    "[cross_entropy] targets of shape ", targets.shape(), " for logits of shape ", logits.shape());
  const std::int64_t rows = logits.dim(0), vocab = logits.dim(1);
  const Tensor input = logits.value().contiguous(), classes = targets.contiguous();
  Tensor row_loss = Tensor::empty({rows}, logits.dtype()), log_sum_exp = Tensor::empty({rows}, logits.dtype());
  double loss = 0;
  dispatch_float(logits.dtype(), [&]<class T>(T) {
    loss = cross_entropy_forward(rows, vocab, input.data<T>(), classes.data<std::int32_t>(), label_smoothing,
                                 row_loss.data<T>(), log_sum_exp.data<T>())
               .loss;
  });
  return Variable::from_operation("cross_entropy", Tensor::scalar(factor * loss, logits.dtype()), {&logits},
                                  [=](const Tensor& dout, InputGradients& inputs) {
                                    dispatch_float(input.dtype(), [&]<class T>(T) {
                                      cross_entropy_backward(rows, vocab, input.data<T>(), classes.data<std::int32_t>(),
                                                             label_smoothing, log_sum_exp.data<T>(),
                                                             static_cast<T>(factor * dout.item()), inputs.gradient<T>(0));
                                    });
                                  });
}

Variable linear_cross_entropy(const Variable& hidden, const Variable& weight, const Variable& bias, const Tensor& targets,
                              double factor, double label_smoothing, const Variable& cluster_weight) {
  const std::int64_t clusters = cluster_weight.defined() ? cluster_weight.dim(0) : 0;
  check<ShapeError>(hidden.shape().rank() == 2 && weight.shape().rank() == 2 && hidden.dim(1) == weight.dim(1) &&
                        targets.shape() == Shape({hidden.dim(0)}) &&
                        (!bias.defined() || bias.shape() == Shape({weight.dim(0) + clusters})),
                    "[linear_cross_entropy] hidden ", hidden.shape(), ", weight ", weight.shape(), " and targets ",
                    targets.shape());
  check<ShapeError>(!cluster_weight.defined() || cluster_weight.shape() == Shape({clusters, weight.dim(1)}),
                    "[linear_cross_entropy] clusters of shape ", cluster_weight.defined() ? cluster_weight.shape() : Shape(),
                    " beside a weight of shape ", weight.shape());
  const Tensor x = hidden.value().contiguous(), w = weight.value().contiguous(), classes = targets.contiguous();
  const auto dense = [](const Variable& input) { return input.defined() ? input.value().contiguous() : Tensor(); };
  const Tensor b = dense(bias), cluster_rows = dense(cluster_weight);
  const auto gradient_of = [](const Variable& input) {
    return input.requires_grad() ? Tensor::empty(input.shape(), input.dtype()) : Tensor();
  };
  std::array<Tensor, 4> gradients = {gradient_of(hidden), gradient_of(weight), gradient_of(bias),
                                     gradient_of(cluster_weight)};
  double loss = 0;
  dispatch_float(hidden.dtype(), [&]<class T>(T) {
    const LinearCrossEntropy<T> input{.rows = hidden.dim(0),
                                      .width = hidden.dim(1),
                                      .vocab = weight.dim(0),
                                      .hidden = x.data<T>(),
                                      .weight = w.data<T>(),
                                      .bias = data_or_null<T>(b),
                                      .targets = classes.data<std::int32_t>(),
                                      .label_smoothing = label_smoothing,
                                      .clusters = clusters,
                                      .cluster_weight = data_or_null<T>(cluster_rows)};
    const auto written = [&](std::size_t k) {
      return Gradient<T>{gradients[k].defined() ? gradients[k].data<T>() : nullptr};
    };
    const LinearCrossEntropyGradients<T> pointers{
        .scale = factor, .dhidden = written(0), .dweight = written(1), .dbias = written(2), .dcluster_weight = written(3)};
    const bool wanted = std::ranges::any_of(gradients, &Tensor::defined);
    loss = linear_cross_entropy<T>(input, nullptr, wanted ? &pointers : nullptr).loss;
  });
  return Variable::from_operation(
      "linear_cross_entropy", Tensor::scalar(factor * loss, hidden.dtype()), {&hidden, &weight, &bias, &cluster_weight},
      [gradients](const Tensor& dout, InputGradients& inputs) {
        // The gradients are there already; a loss that is not the root only scales them.
        const double outer = dout.item();
        for (std::size_t k = 0; k < gradients.size(); ++k) {
          if (!inputs.wants(k)) continue;
          inputs.add(k, outer == 1.0 ? gradients[k] : scale(Variable(gradients[k]), outer).value());
        }
      });
}

}  // namespace cosformer
