#include <vector>

#include "autograd/backward.h"
#include "autograd/ops.h"

namespace cosformer {

Variable without_influence(const Variable& x, const Variable& a, const Variable& b) {
  return Variable::from_operation(
      "without_influence", x.value(), {&x, &a, &b},
      [sizes = std::vector<std::int64_t>{a.value().size(), b.value().size()}](const Tensor& dout, InputGradients& inputs) {
        dispatch_float(dout.dtype(), [&]<class T>(T) {
          for (std::size_t k = 0; k < sizes.size(); ++k) {
            begin_sum(inputs.gradient<T>(k + 1), sizes[k]);
          }
        });
        inputs.add(0, dout);
      });
}

}  // namespace cosformer
