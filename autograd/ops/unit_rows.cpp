#include <algorithm>
#include <cmath>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

Variable unit_rows(const Variable& x, double eps) {
  check<ShapeError>(x.shape().rank() >= 1, "[unit_rows] a number has no rows");
  const Tensor input = x.value().contiguous();
  const std::int64_t width = x.dim(-1), rows = width == 0 ? 0 : input.size() / width;
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(width, 1) + 1;
  Tensor out = Tensor::empty(x.shape(), x.dtype()), factors = Tensor::empty({rows}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    const T* from = input.data<T>();
    T *to = out.data<T>(), *factor = factors.data<T>();
    parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T* row = from + i * width;
        factor[i] = 1 / std::sqrt(loops<T>().dot(row, row, width) + static_cast<T>(eps));
        loops<T>().scale(factor[i], row, to + i * width, width);
      }
    });
  });
  return Variable::from_operation("unit_rows", out, {&x},
                                  [out, factors, rows, width, grain](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      const T *y = out.data<T>(), *d = dy.data<T>(), *factor = factors.data<T>();
                                      T* dx = begin_sum(inputs.gradient<T>(0), rows * width);
                                      // dx = factor · (dy - (dy · y) y).
                                      parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
                                        for (std::int64_t i = begin; i < end; ++i) {
                                          const std::int64_t at = i * width;
                                          const T along = loops<T>().dot(d + at, y + at, width);
                                          loops<T>().add_scaled(factor[i], d + at, dx + at, width);
                                          loops<T>().add_scaled(-factor[i] * along, y + at, dx + at, width);
                                        }
                                      });
                                    });
                                  });
}

}  // namespace cosformer
