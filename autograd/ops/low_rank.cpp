#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/matmul/gemm.h"

namespace cosformer {

Variable low_rank_sum(const Variable& weight, const Variable& down, const Variable& up, double factor) {
  const bool fits = weight.shape().rank() == 2 && down.shape().rank() == 2 && up.shape().rank() == 2 &&
                    up.dim(0) == weight.dim(0) && down.dim(1) == weight.dim(1) && up.dim(1) == down.dim(0);
  check<ShapeError>(fits, "[low_rank_sum] weight ", weight.shape(), ", down ", down.shape(), " and up ", up.shape(),
                    " are not [out, in], [rank, in] and [out, rank]");
  const std::int64_t rows = weight.dim(0), columns = weight.dim(1), rank = down.dim(0);
  const Tensor a = scale(down.detach(), factor).value(), b = scale(up.detach(), factor).value();
  Tensor out = weight.value().clone();
  const Tensor plain = up.value().contiguous();
  dispatch_float(weight.dtype(), [&]<class T>(T) {
    gemm<T>(Transpose::no, Transpose::no, rows, columns, rank, plain.data<T>(), rank, a.data<T>(), columns, true,
            out.data<T>(), columns);
  });
  return Variable::from_operation("low_rank_sum", out, {&weight, &down, &up},
                                  [a, b, rows, columns, rank](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      if (const Gradient<T> da = inputs.gradient<T>(1); da.data) {
                                        gemm<T>(Transpose::yes, Transpose::no, rank, columns, rows, b.data<T>(), rank,
                                                dy.data<T>(), columns, da.add, da.data, columns);
                                      }
                                      if (const Gradient<T> db = inputs.gradient<T>(2); db.data) {
                                        gemm<T>(Transpose::no, Transpose::yes, rows, rank, columns, dy.data<T>(), columns,
                                                a.data<T>(), columns, db.add, db.data, rank);
                                      }
                                    });
                                    if (inputs.wants(0)) inputs.add(0, dout);
                                  });
}

}  // namespace cosformer
