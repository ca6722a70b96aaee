#include <algorithm>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/parallel.h"

namespace cosformer {

Variable repeat_heads(const Variable& x, std::int64_t times) {
  check<ShapeError>(x.shape().rank() == 4 && times >= 1,
                    "[repeat_heads] expected [B, T, H, D] and at least one copy, found ", x.shape(), " and ", times);
  const std::int64_t rows = x.dim(0) * x.dim(1) * x.dim(2), width = x.dim(3);
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(width * times, 1) + 1;
  const Tensor input = x.value().contiguous();
  Tensor out = Tensor::empty({x.dim(0), x.dim(1), x.dim(2) * times, width}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    const T* from = input.data<T>();
    T* to = out.data<T>();
    parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        for (std::int64_t copy = 0; copy < times; ++copy) {
          std::copy_n(from + row * width, width, to + (row * times + copy) * width);
        }
      }
    });
  });
  return Variable::from_operation("repeat_heads", out, {&x},
                                  [rows, width, times, grain](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      T* dx = begin_sum(inputs.gradient<T>(0), rows * width);
                                      const T* from = dy.data<T>();
                                      parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
                                        for (std::int64_t row = begin; row < end; ++row) {
                                          for (std::int64_t i = 0; i < times * width; ++i)
                                            dx[row * width + i % width] += from[row * times * width + i];
                                        }
                                      });
                                    });
                                  });
}

}  // namespace cosformer
