#include "core/kernels/gated_attention/gated_linear_attention.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

Variable gated_linear_attention(const Variable& query, const Variable& key, const Variable& value, const Variable& gate,
                                const AttentionMask& mask, double scale, const CarriedState& carried) {
  const AttentionSizes sizes = attention_sizes("gated_linear_attention", query, key, value, mask);
  check<ShapeError>(mask.causal, "[gated_linear_attention] is causal only");
  check<ShapeError>(!mask.dropout, "[gated_linear_attention] there are no weights that dropout could apply to");
  check<ShapeError>(gate.shape() == key.shape(), "[gated_linear_attention] a gate of shape ", gate.shape(),
                    " for keys of shape ", key.shape());
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), v = inner_contiguous(value.value()),
               z = inner_contiguous(gate.value());
  EndTensors ends = end_tensors("gated_linear_attention", carried, sizes, sizes.head_dim * sizes.value_dim, query.dtype());
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    gated_linear_attention_forward<T>(sizes, visibility_of(mask), static_cast<T>(scale), heads_of<T>(q), heads_of<T>(k),
                                      heads_of<T>(v), heads_of<T>(z), mutable_heads_of<T>(out), ends.states<T>());
  });
  if (carried.behind != nullptr) *carried.behind = ends.behind;
  return Variable::from_operation(
      "gated_linear_attention", out, {&query, &key, &value, &gate},
      [sizes, mask, scale, q, k, v, z, before = ends.before](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        dispatch_float(q.dtype(), [&]<class T>(T) {
          gated_linear_attention_backward<T>(sizes, visibility_of(mask), static_cast<T>(scale), heads_of<T>(q),
                                             heads_of<T>(k), heads_of<T>(v), heads_of<T>(z), heads_of<T>(dy),
                                             inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2),
                                             inputs.gradient<T>(3), numbers_of<T>(before));
        });
      });
}

}  // namespace cosformer
