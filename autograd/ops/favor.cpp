#include <cmath>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/gemm.h"
#include "core/parallel.h"
#include "core/simd.h"

namespace cosformer {

namespace {

/// Added to every feature, so that no normaliser vanishes (Performer's numerical stabiliser).
constexpr double kFeatureFloor = 1e-4;

}  // namespace

Variable favor_features(const Variable& x, const Tensor& projection) {
  check<ShapeError>(x.shape().rank() == 4 && projection.rank() == 3 && projection.dim(0) == x.dim(2) && projection.dim(2) == x.dim(3),
                    "[favor_features] projection ", projection.shape(), " for an input of shape ", x.shape());
  const std::int64_t batch = x.dim(0), length = x.dim(1), heads = x.dim(2), dim = x.dim(3), features = projection.dim(1);
  const double input_scale = std::pow(static_cast<double>(dim), -0.25);
  const double feature_scale = 1.0 / std::sqrt(static_cast<double>(features));
  const Tensor input = inner_contiguous(x.value()), w = projection.contiguous();
  Tensor out = Tensor::empty({batch, length, heads, features}, x.dtype());
  dispatch_float(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const Heads<const T> rows = heads_of<T>(input);
    const Heads<T> results = mutable_heads_of<T>(out);
    parallel_for(batch * heads, [&](std::int64_t task) {
      const std::int64_t b = task / heads, h = task % heads;
      gemm_serial<T>(Transpose::no, Transpose::yes, length, features, dim, static_cast<T>(input_scale), rows.rows(b, h),
                     rows.seq_stride, w.data<T>() + h * features * dim, dim, 0, results.rows(b, h), results.seq_stride);
      for (std::int64_t t = 0; t < length; ++t) {
        const T* row = rows.rows(b, h) + t * rows.seq_stride;
        T* phi = results.rows(b, h) + t * results.seq_stride;
        const T half_norm = row_dot(row, row, dim) * static_cast<T>(0.5 * input_scale * input_scale);
        row_exp_sum(phi, T{1}, half_norm, phi, features);
        for (std::int64_t f = 0; f < features; ++f) {
          phi[f] = (phi[f] + static_cast<T>(kFeatureFloor)) * static_cast<T>(feature_scale);
        }
      }
    });
  });
  return Variable::from_operation(
      "favor_features", out, {&x},
      [input, w, out, batch, length, heads, dim, features, input_scale, feature_scale](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        Tensor dx = Tensor::empty(input.shape(), input.dtype());
        dispatch_float(input.dtype(), [&](auto type) {
          using T = decltype(type);
          const Heads<const T> rows = heads_of<T>(input), phis = heads_of<T>(out), gradients = heads_of<T>(dy);
          const Heads<T> results = mutable_heads_of<T>(dx);
          const T floor = static_cast<T>(kFeatureFloor * feature_scale);
          parallel_for(batch * heads, [&](std::int64_t task) {
            const std::int64_t b = task / heads, h = task % heads;
            // g = dφ ∘ (φ without its floor): the gradient of the exponent.
            Tensor scratch = Tensor::empty({length, features}, input.dtype());
            T* g = scratch.data<T>();
            for (std::int64_t t = 0; t < length; ++t) {
              const T* phi = phis.rows(b, h) + t * phis.seq_stride;
              const T* dphi = gradients.rows(b, h) + t * gradients.seq_stride;
              for (std::int64_t f = 0; f < features; ++f) g[t * features + f] = dphi[f] * (phi[f] - floor);
            }
            gemm_serial<T>(Transpose::no, Transpose::no, length, dim, features, static_cast<T>(input_scale), g, features,
                           w.data<T>() + h * features * dim, dim, 0, results.rows(b, h), results.seq_stride);
            for (std::int64_t t = 0; t < length; ++t) {
              const T factor = -row_sum(g + t * features, features) * static_cast<T>(input_scale * input_scale);
              row_add_scaled(factor, rows.rows(b, h) + t * rows.seq_stride, results.rows(b, h) + t * results.seq_stride, dim);
            }
          });
        });
        inputs.add(0, dx);
      });
}

}  // namespace cosformer
