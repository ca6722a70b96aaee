#include <algorithm>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/rows.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/gemm.h"

namespace cosformer {

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  check_linear("linear", x, {weight, bias});
  const std::int64_t out_features = weight.dim(0), in_features = weight.dim(1);
  const std::int64_t rows = x.value().size() / std::max<std::int64_t>(in_features, 1);
  const Tensor input = x.value().contiguous(), w = weight.value().contiguous();
  const Tensor b = bias.defined() ? bias.value().contiguous() : Tensor();
  Tensor out = Tensor::empty(x.shape().with_dim(-1, out_features), x.dtype());
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    gemm<T>(Transpose::no, Transpose::yes, rows, out_features, in_features, input.data<T>(), in_features, w.data<T>(),
            in_features, false, out.data<T>(), out_features, b.defined() ? b.data<T>() : nullptr);
  });
  return Variable::from_operation(
      "linear", out, {&x, &weight, &bias},
      [input, w, rows, in_features, out_features](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = dout.contiguous();
        dispatch_float(dy.dtype(), [&](auto type) {
          using T = decltype(type);
          if (inputs.wants(0)) {
            auto [dx, fresh] = inputs.target(0);
            gemm<T>(Transpose::no, Transpose::no, rows, in_features, out_features, dy.data<T>(), out_features, w.data<T>(),
                    in_features, !fresh, dx.template data<T>(), in_features);
          }
          if (inputs.wants(1)) {
            auto [dw, fresh] = inputs.target(1);
            gemm<T>(Transpose::yes, Transpose::no, out_features, in_features, rows, dy.data<T>(), out_features,
                    input.data<T>(), in_features, !fresh, dw.template data<T>(), in_features);
          }
          if (inputs.wants(2)) {
            Tensor db = inputs.zeroed_target(2);
            column_sums(dy.data<T>(), rows, out_features, out_features, db.data<T>());
          }
        });
      });
}

}  // namespace cosformer
