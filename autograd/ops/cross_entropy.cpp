#include "core/kernels/cross_entropy.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"

namespace cosformer {

Variable cross_entropy(const Variable& logits, const Tensor& targets, double factor, double label_smoothing) {
  check<ShapeError>(logits.shape().rank() == 2 && targets.shape() == Shape({logits.dim(0)}), "[cross_entropy] targets of shape ",
                    targets.shape(), " for logits of shape ", logits.shape());
  const std::int64_t rows = logits.dim(0), vocab = logits.dim(1);
  const Tensor input = logits.value().contiguous(), classes = targets.contiguous();
  Tensor row_loss = Tensor::empty({rows}, logits.dtype()), log_sum_exp = Tensor::empty({rows}, logits.dtype());
  double loss = 0;
  dispatch_float(logits.dtype(), [&](auto type) {
    using T = decltype(type);
    loss = cross_entropy_forward(rows, vocab, input.data<T>(), classes.data<std::int32_t>(), label_smoothing, row_loss.data<T>(),
                                 log_sum_exp.data<T>())
               .loss;
  });
  return Variable::from_operation(
      "cross_entropy", Tensor::scalar(factor * loss, logits.dtype()), {&logits},
      [=](const Tensor& dout, InputGradients& inputs) {
        Tensor dlogits = Tensor::empty(input.shape(), input.dtype());
        dispatch_float(input.dtype(), [&](auto type) {
          using T = decltype(type);
          cross_entropy_backward(rows, vocab, input.data<T>(), classes.data<std::int32_t>(), label_smoothing, log_sum_exp.data<T>(),
                                 static_cast<T>(factor * dout.item()), dlogits.data<T>());
        });
        inputs.add(0, dlogits);
      });
}

Variable linear_cross_entropy(const Variable& hidden, const Variable& weight, const Variable& bias, const Tensor& targets,
                              double factor, double label_smoothing) {
  check<ShapeError>(hidden.shape().rank() == 2 && weight.shape().rank() == 2 && hidden.dim(1) == weight.dim(1) &&
                        targets.shape() == Shape({hidden.dim(0)}) && (!bias.defined() || bias.shape() == Shape({weight.dim(0)})),
                    "[linear_cross_entropy] hidden ", hidden.shape(), ", weight ", weight.shape(), " and targets ", targets.shape());
  const Tensor x = hidden.value().contiguous(), w = weight.value().contiguous(), classes = targets.contiguous();
  const Tensor b = bias.defined() ? bias.value().contiguous() : Tensor();
  const auto gradient_of = [](const Variable& input) {
    return input.requires_grad() ? Tensor::zeros(input.shape(), input.dtype()) : Tensor();
  };
  Tensor dhidden = gradient_of(hidden), dweight = gradient_of(weight), dbias = gradient_of(bias);
  double loss = 0;
  dispatch_float(hidden.dtype(), [&](auto type) {
    using T = decltype(type);
    const auto pointer = [](Tensor& tensor) { return tensor.defined() ? tensor.data<T>() : nullptr; };
    const LinearCrossEntropy<T> input{hidden.dim(0), hidden.dim(1), weight.dim(0), x.data<T>(), w.data<T>(),
                                      b.defined() ? b.data<T>() : nullptr, classes.data<std::int32_t>(), label_smoothing};
    const LinearCrossEntropyGradients<T> gradients{factor, pointer(dhidden), pointer(dweight), pointer(dbias)};
    const bool wanted = dhidden.defined() || dweight.defined() || dbias.defined();
    loss = linear_cross_entropy<T>(input, nullptr, wanted ? &gradients : nullptr).loss;
  });
  return Variable::from_operation("linear_cross_entropy", Tensor::scalar(factor * loss, hidden.dtype()), {&hidden, &weight, &bias},
                                  [dhidden, dweight, dbias](const Tensor& dout, InputGradients& inputs) {
                                    // The gradients are there already; a loss that is not the root only scales them.
                                    const double outer = dout.item();
                                    const auto hand_over = [&](std::size_t k, const Tensor& gradient) {
                                      if (!inputs.wants(k)) return;
                                      inputs.add(k, outer == 1.0 ? gradient : scale(Variable(gradient), outer).value());
                                    };
                                    hand_over(0, dhidden);
                                    hand_over(1, dweight);
                                    hand_over(2, dbias);
                                  });
}

}  // namespace cosformer
