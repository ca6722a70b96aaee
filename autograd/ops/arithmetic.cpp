#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul/gemm.h"
#include "core/parallel.h"

namespace cosformer {

Variable add(const Variable& a, const Variable& b) {
  check<ShapeError>(a.shape() == b.shape(), "[add] shapes differ: ", a.shape(), " and ", b.shape());
  const Tensor x = a.value().contiguous(), y = b.value().contiguous();
  Tensor out = Tensor::empty(a.shape(), a.dtype());
  dispatch_float(a.dtype(), [&]<class T>(T) { add_elements(x.data<T>(), y.data<T>(), out.data<T>(), out.size()); });
  return Variable::from_operation("add", out, {&a, &b}, [](const Tensor& dout, InputGradients& inputs) {
    inputs.add(0, dout);
    inputs.add(1, dout);
  });
}

Variable subtract(const Variable& a, const Variable& b) {
  check<ShapeError>(a.shape() == b.shape(), "[subtract] shapes differ: ", a.shape(), " and ", b.shape());
  const Tensor x = a.value().contiguous(), y = b.value().contiguous();
  Tensor out = Tensor::empty(a.shape(), a.dtype());
  dispatch_float(a.dtype(), [&]<class T>(T) {
    const T *left = x.data<T>(), *right = y.data<T>();
    T* z = out.data<T>();
    parallel_ranges(out.size(), kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) z[i] = left[i] - right[i];
    });
  });
  return Variable::from_operation("subtract", out, {&a, &b}, [](const Tensor& dout, InputGradients& inputs) {
    inputs.add(0, dout);
    const Tensor dy = dout.contiguous();
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      const Gradient<T> db = inputs.gradient<T>(1);
      if (!db.data) return;
      const T* g = dy.data<T>();
      parallel_ranges(dy.size(), kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) db.data[i] = db.add ? db.data[i] - g[i] : -g[i];
      });
    });
  });
}

Variable multiply(const Variable& a, const Variable& b) {
  check<ShapeError>(a.shape() == b.shape(), "[multiply] shapes differ: ", a.shape(), " and ", b.shape());
  const auto product = [](const Tensor& left, const Tensor& right) {
    const Tensor x = left.contiguous(), y = right.contiguous();
    Tensor out = Tensor::empty(x.shape(), x.dtype());
    dispatch_float(x.dtype(), [&]<class T>(T) {
      const T *f = x.data<T>(), *g = y.data<T>();
      T* z = out.data<T>();
      parallel_ranges(out.size(), kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) z[i] = f[i] * g[i];
      });
    });
    return out;
  };
  return Variable::from_operation("multiply", product(a.value(), b.value()), {&a, &b},
                                  [product, x = a.value(), y = b.value()](const Tensor& dout, InputGradients& inputs) {
                                    if (inputs.wants(0)) inputs.add(0, product(dout, y));
                                    if (inputs.wants(1)) inputs.add(1, product(dout, x));
                                  });
}

Variable add_rows(const Variable& x, const Variable& rows) {
  check<ShapeError>(x.shape().rank() == 3 && rows.shape() == Shape({x.dim(1), x.dim(2)}), "[add_rows] rows of shape ",
                    rows.shape(), " for items of shape ", x.shape());
  const std::int64_t batch = x.dim(0), item = x.dim(1) * x.dim(2);
  const Tensor input = x.value().contiguous(), added = rows.value().contiguous();
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    const T* in = input.data<T>();
    const T* row = added.data<T>();
    T* y = out.data<T>();
    parallel_ranges(item, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = 0; b < batch; ++b) {
        for (std::int64_t i = begin; i < end; ++i) y[b * item + i] = in[b * item + i] + row[i];
      }
    });
  });
  return Variable::from_operation("add_rows", out, {&x, &rows}, [batch, item](const Tensor& dout, InputGradients& inputs) {
    inputs.add(0, dout);
    const Tensor dy = dout.contiguous();
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      const T* g = dy.data<T>();
      T* d = begin_sum(inputs.gradient<T>(1), item);
      if (!d) return;
      parallel_ranges(item, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t b = 0; b < batch; ++b) {
          for (std::int64_t i = begin; i < end; ++i) d[i] += g[b * item + i];
        }
      });
    });
  });
}

Variable scale(const Variable& x, double factor) {
  const auto scaled = [factor](const Tensor& source) {
    const Tensor in = source.contiguous();
    Tensor out = Tensor::empty(in.shape(), in.dtype());
    dispatch_float(in.dtype(),
                   [&]<class T>(T) { scale_elements(static_cast<T>(factor), in.data<T>(), out.data<T>(), in.size()); });
    return out;
  };
  return Variable::from_operation("scale", scaled(x.value()), {&x},
                                  [scaled](const Tensor& dout, InputGradients& inputs) { inputs.add(0, scaled(dout)); });
}

Variable weighted_sum(const Variable& x, const Tensor& weights) {
  check<ShapeError>(x.shape() == weights.shape() && x.dtype() == weights.dtype(), "[weighted_sum] weights of shape ",
                    weights.shape(), " for a value of shape ", x.shape());
  const Tensor in = x.value().contiguous(), w = weights.contiguous();
  double sum = 0;
  dispatch_float(x.dtype(), [&]<class T>(T) {
    const auto values = in.span<T>(), factors = w.span<T>();
    for (std::size_t i = 0; i < values.size(); ++i) sum += static_cast<double>(values[i]) * static_cast<double>(factors[i]);
  });
  return Variable::from_operation(
      "weighted_sum", Tensor::scalar(sum, x.dtype()), {&x},
      [w](const Tensor& dout, InputGradients& inputs) { inputs.add(0, scale(Variable(w), dout.item()).value()); });
}

Variable matmul(const Variable& a, const Variable& b) {
  check<ShapeError>(a.shape().rank() == 2 && b.shape().rank() == 2 && a.dim(1) == b.dim(0),
                    "[matmul] inner sizes differ: ", a.shape(), " and ", b.shape());
  const std::int64_t m = a.dim(0), k = a.dim(1), n = b.dim(1);
  const Tensor x = a.value().contiguous(), y = b.value().contiguous();
  Tensor out = Tensor::empty({m, n}, a.dtype());
  dispatch_float(a.dtype(), [&]<class T>(T) {
    gemm<T>(Transpose::no, Transpose::no, m, n, k, x.data<T>(), k, y.data<T>(), n, false, out.data<T>(), n);
  });
  return Variable::from_operation("matmul", out, {&a, &b}, [x, y, m, n, k](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = dout.contiguous();
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      if (const auto da = inputs.gradient<T>(0); da.data) {
        gemm<T>(Transpose::no, Transpose::yes, m, k, n, dy.data<T>(), n, y.data<T>(), n, da.add, da.data, k);
      }
      if (const auto db = inputs.gradient<T>(1); db.data) {
        gemm<T>(Transpose::yes, Transpose::no, k, n, m, x.data<T>(), k, dy.data<T>(), n, db.add, db.data, n);
      }
    });
  });
}

}  // namespace cosformer
