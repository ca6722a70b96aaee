#include "core/kernels/sparse_attention/sparse_attention.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

Variable sparse_attention(const Variable& query, const Variable& key, const Variable& value, const AttentionMask& mask,
                          const SharedSparsePattern& pattern, double scale) {
  check<ShapeError>(pattern != nullptr, "[sparse_attention] no pattern");
  const AttentionSizes sizes = attention_sizes("sparse_attention", query, key, value, mask);
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), v = inner_contiguous(value.value());
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, query.dtype());
  Tensor log_sum_exp = Tensor::empty({sizes.batch, sizes.heads, sizes.queries}, query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    sparse_attention_forward<T>(sizes, visibility_of(mask), *pattern, static_cast<T>(scale), heads_of<T>(q), heads_of<T>(k),
                                heads_of<T>(v), mutable_heads_of<T>(out), log_sum_exp.data<T>());
  });
  return Variable::from_operation(
      "sparse_attention", out, {&query, &key, &value},
      [sizes, mask, pattern, scale, q, k, v, out, log_sum_exp](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        dispatch_float(q.dtype(), [&]<class T>(T) {
          sparse_attention_backward<T>(sizes, visibility_of(mask), *pattern, static_cast<T>(scale), heads_of<T>(q),
                                       heads_of<T>(k), heads_of<T>(v), heads_of<T>(out), log_sum_exp.data<T>(),
                                       heads_of<T>(dy), inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2));
        });
      });
}

}  // namespace cosformer
