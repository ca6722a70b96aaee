#include "core/kernels/delta_attention/delta_attention.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/decay_logs.h"

namespace cosformer {

Variable decay_logs(const Variable& z, const Variable& rate, const Variable& bias) {
  check<ShapeError>(z.shape().rank() >= 1 && rate.shape() == Shape({z.dim(-1)}) && bias.shape() == rate.shape(),
                    "[decay_logs] rates of shape ", rate.shape(), " and biases of shape ", bias.shape(),
                    " for an input of shape ", z.shape());
  const Tensor input = z.value().contiguous(), a = rate.value().contiguous(), c = bias.value().contiguous();
  const std::int64_t heads = z.dim(-1), rows = heads == 0 ? 0 : input.size() / heads;
  Tensor out = Tensor::empty(z.shape(), z.dtype());
  dispatch_float(z.dtype(), [&]<class T>(T) {
    decay_logs_forward<T>(rows, heads, input.data<T>(), a.data<T>(), c.data<T>(), out.data<T>());
  });
  return Variable::from_operation("decay_logs", out, {&z, &rate, &bias}, [=](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = dout.contiguous();
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      decay_logs_backward<T>(rows, heads, input.data<T>(), a.data<T>(), c.data<T>(), out.data<T>(), dy.data<T>(),
                             inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2));
    });
  });
}

Variable delta_attention(const Variable& query, const Variable& key, const Variable& value, const Variable& beta,
                         const Variable& decay, const AttentionMask& mask, double scale, const CarriedState& carried) {
  const AttentionSizes sizes = attention_sizes("delta_attention", query, key, value, mask);
  const Shape per_token{sizes.batch, sizes.keys, sizes.heads};
  check<ShapeError>(mask.causal, "[delta_attention] is causal only");
  check<ShapeError>(!mask.dropout, "[delta_attention] there are no weights that dropout could apply to");
  check<ShapeError>(beta.shape() == per_token && (!decay.defined() || decay.shape() == per_token),
                    "[delta_attention] betas and decays must be of shape ", per_token);
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), v = inner_contiguous(value.value()),
               shares = beta.value().contiguous(), logs = decay.defined() ? decay.value().contiguous() : Tensor();
  EndTensors ends = end_tensors("delta_attention", carried, sizes, sizes.head_dim * sizes.value_dim, query.dtype());
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    delta_attention_forward<T>(sizes, visibility_of(mask), static_cast<T>(scale), heads_of<T>(q), heads_of<T>(k),
                               heads_of<T>(v), shares.data<T>(), numbers_of<T>(logs), mutable_heads_of<T>(out),
                               ends.states<T>());
  });
  if (carried.behind != nullptr) *carried.behind = ends.behind;
  return Variable::from_operation(
      "delta_attention", out, {&query, &key, &value, &beta, &decay},
      [sizes, mask, scale, q, k, v, shares, logs, before = ends.before](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        dispatch_float(q.dtype(), [&]<class T>(T) {
          delta_attention_backward<T>(sizes, visibility_of(mask), static_cast<T>(scale), heads_of<T>(q), heads_of<T>(k),
                                      heads_of<T>(v), shares.data<T>(), numbers_of<T>(logs), heads_of<T>(dy),
                                      inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2),
                                      inputs.gradient<T>(3), inputs.gradient<T>(4), numbers_of<T>(before));
        });
      });
}

}  // namespace cosformer
