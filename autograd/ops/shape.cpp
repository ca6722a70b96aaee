#include <algorithm>
#include <vector>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/elementwise.h"
#include "core/parallel.h"

namespace cosformer {

Variable reshape(const Variable& x, const Shape& shape) {
  check<ShapeError>(x.value().size() == shape.size(), "[reshape] cannot reshape ", x.shape(), " to ", shape);
  const Shape original = x.shape();
  return Variable::from_operation(
      "reshape", x.value().contiguous().reshape(shape), {&x},
      [original](const Tensor& dout, InputGradients& inputs) { inputs.add(0, dout.contiguous().reshape(original)); });
}

Variable narrow(const Variable& x, int axis, std::int64_t start, std::int64_t length) {
  const Tensor part = x.value().narrow(axis, start, length);
  // Blocks of elements that follow one another: one for each index of the axes before this one.
  std::int64_t inner = 1;
  for (int i = axis < 0 ? axis + part.rank() + 1 : axis + 1; i < part.rank(); ++i) inner *= part.dim(i);
  const std::int64_t whole_block = x.dim(axis) * inner, size = x.value().size();
  return Variable::from_operation(
      "narrow", part, {&x},
      [part_block = length * inner, offset = start * inner, whole_block, size](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = dout.contiguous();
        dispatch_float(dy.dtype(), [&]<class T>(T) {
          T* dx = begin_sum(inputs.gradient<T>(0), size);
          if (part_block == 0) return;
          for (std::int64_t i = 0; i < dy.size() / part_block; ++i) {
            accumulate_elements(dy.data<T>() + i * part_block, dx + i * whole_block + offset, part_block);
          }
        });
      });
}

Variable concatenate(const Variable& a, const Variable& b) {
  check<ShapeError>(
      a.shape().rank() >= 1 && a.shape().rank() == b.shape().rank() && b.shape().with_dim(-1, a.dim(-1)) == a.shape(),
      "[concatenate] shapes differ before the last axis: ", a.shape(), " and ", b.shape());
  const std::int64_t left = a.dim(-1), right = b.dim(-1);
  Tensor out = Tensor::empty(a.shape().with_dim(-1, left + right), a.dtype());
  out.narrow(-1, 0, left).copy_from(a.value());
  out.narrow(-1, left, right).copy_from(b.value());
  return Variable::from_operation("concatenate", out, {&a, &b}, [left, right](const Tensor& dout, InputGradients& inputs) {
    inputs.add(0, dout.narrow(-1, 0, left).contiguous());
    inputs.add(1, dout.narrow(-1, left, right).contiguous());
  });
}

namespace {

void check_sequence(const char* operation, const Variable& x, const SharedPaddingMask& mask) {
  check<ShapeError>(x.shape().rank() == 3, '[', operation, "] expected [B, T, E], found ", x.shape());
  check<ShapeError>(!mask || (mask->batch == x.dim(0) && mask->length == x.dim(1)), '[', operation,
                    "] a mask of another shape than the batch ", x.shape());
}

}  // namespace

Variable mean_pool(const Variable& x, const SharedPaddingMask& mask, std::int64_t divisor) {
  check_sequence("mean_pool", x, mask);
  const std::int64_t batch = x.dim(0), length = x.dim(1), dim = x.dim(2);
  const Tensor input = x.value().contiguous();
  Tensor out = Tensor::zeros({batch, dim}, x.dtype());
  const auto is_real = [mask, length](std::int64_t b, std::int64_t t) {
    return !mask || mask->real[static_cast<std::size_t>(b * length + t)] != 0;
  };
  const auto share = [mask, length, divisor](std::int64_t b) {
    const std::int64_t count = divisor > 0 ? divisor : mask ? mask->count(b) : length;
    return 1.0 / static_cast<double>(std::max<std::int64_t>(count, 1));
  };
  dispatch_float(x.dtype(), [&]<class T>(T) {
    const T* in = input.data<T>();
    T* y = out.data<T>();
    parallel_for(batch, [&](std::int64_t b) {
      std::vector<double> sum(static_cast<std::size_t>(dim), 0.0);
      for (std::int64_t t = 0; t < length; ++t) {
        if (!is_real(b, t)) continue;
        const T* row = in + (b * length + t) * dim;
        for (std::int64_t i = 0; i < dim; ++i) sum[static_cast<std::size_t>(i)] += static_cast<double>(row[i]);
      }
      for (std::int64_t i = 0; i < dim; ++i) y[b * dim + i] = static_cast<T>(sum[static_cast<std::size_t>(i)] * share(b));
    });
  });
  return Variable::from_operation("mean_pool", out, {&x},
                                  [is_real, share, batch, length, dim](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    Tensor dx = Tensor::zeros({batch, length, dim}, dy.dtype());
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      const T* g = dy.data<T>();
                                      T* d = dx.data<T>();
                                      parallel_for(batch, [&](std::int64_t b) {
                                        const T factor = static_cast<T>(share(b));
                                        for (std::int64_t t = 0; t < length; ++t) {
                                          if (!is_real(b, t)) continue;
                                          for (std::int64_t i = 0; i < dim; ++i)
                                            d[(b * length + t) * dim + i] = g[b * dim + i] * factor;
                                        }
                                      });
                                    });
                                    inputs.add(0, dx);
                                  });
}

Variable first_token(const Variable& x) {
  check_sequence("first_token", x, nullptr);
  check<ShapeError>(x.dim(1) >= 1, "[first_token] an item without tokens: ", x.shape());
  return reshape(narrow(x, 1, 0, 1), {x.dim(0), x.dim(2)});
}

}  // namespace cosformer
