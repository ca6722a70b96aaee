#include "core/kernels/delta_attention/delta_attention.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

Variable delta_attention(const Variable& query, const Variable& key, const Variable& value, const Variable& beta,
                         const AttentionMask& mask, double scale) {
  const AttentionSizes sizes = attention_sizes("delta_attention", query, key, value, mask);
  check<ShapeError>(mask.causal, "[delta_attention] is causal only");
  check<ShapeError>(!mask.dropout, "[delta_attention] there are no weights that dropout could apply to");
  check<ShapeError>(beta.shape() == Shape({sizes.batch, sizes.keys, sizes.heads}), "[delta_attention] betas of shape ",
                    beta.shape(), " for keys of shape ", key.shape());
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), v = inner_contiguous(value.value()),
               shares = beta.value().contiguous();
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    delta_attention_forward<T>(sizes, visibility_of(mask), static_cast<T>(scale), heads_of<T>(q), heads_of<T>(k),
                               heads_of<T>(v), shares.data<T>(), mutable_heads_of<T>(out));
  });
  return Variable::from_operation("delta_attention", out, {&query, &key, &value, &beta},
                                  [sizes, mask, scale, q, k, v, shares](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = inner_contiguous(dout);
                                    dispatch_float(q.dtype(), [&]<class T>(T) {
                                      delta_attention_backward<T>(
                                          sizes, visibility_of(mask), static_cast<T>(scale), heads_of<T>(q), heads_of<T>(k),
                                          heads_of<T>(v), shares.data<T>(), heads_of<T>(dy), inputs.gradient<T>(0),
                                          inputs.gradient<T>(1), inputs.gradient<T>(2), inputs.gradient<T>(3));
                                    });
                                  });
}

}  // namespace cosformer
