#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/linear_attention/part.h"

namespace cosformer {

namespace {

/// [B, H, X, D] of a state.
Shape state_shape(const AttentionSizes& sizes, const LinearAttentionOptions& options) {
  return {sizes.batch, sizes.heads, linear_attention_state_size(sizes, options) / sizes.head_dim, sizes.head_dim};
}

}  // namespace

Variable linear_attention_key_sums(const Variable& key, const Variable& value, const AttentionMask& mask,
                                   const LinearAttentionOptions& options) {
  const AttentionSizes sizes = attention_sizes("linear_attention_key_sums", key, key, value, mask);
  const Tensor k = inner_contiguous(key.value()), v = inner_contiguous(value.value());
  Tensor sums = Tensor::empty(state_shape(sizes, options), key.dtype());
  dispatch_float(key.dtype(), [&]<class T>(T) {
    linear_attention_key_sums<T>(sizes, visibility_of(mask), options, heads_of<T>(k), heads_of<T>(v), sums.data<T>());
  });
  return Variable::from_operation("linear_attention_key_sums", sums, {&key, &value},
                                  [sizes, mask, options, k, v](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dsums = dout.contiguous();
                                    dispatch_float(k.dtype(), [&]<class T>(T) {
                                      linear_attention_key_sums_backward<T>(sizes, visibility_of(mask), options,
                                                                            heads_of<T>(k), heads_of<T>(v), dsums.data<T>(),
                                                                            inputs.gradient<T>(0), inputs.gradient<T>(1));
                                    });
                                  });
}

Variable linear_attention_part(const Variable& query, const Variable& key, const Variable& value, const Variable& state,
                               const AttentionMask& mask, const LinearAttentionOptions& options) {
  const AttentionSizes sizes = attention_sizes("linear_attention_part", query, key, value, mask);
  check<ShapeError>(state.shape() == state_shape(sizes, options), "[linear_attention_part] a state of shape ", state.shape(),
                    ", expected ", state_shape(sizes, options));
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), v = inner_contiguous(value.value()),
               before = state.value().contiguous();
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, query.dtype());
  Tensor normalizer = Tensor::empty({sizes.batch, sizes.queries, sizes.heads}, query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    linear_attention_part_forward<T>(sizes, visibility_of(mask), options, heads_of<T>(q), heads_of<T>(k), heads_of<T>(v),
                                     before.data<T>(), mutable_heads_of<T>(out), normalizer.data<T>());
  });
  // Without causality keys and values take part through the state alone.
  const Variable none;
  return Variable::from_operation(
      "linear_attention_part", out, {&query, mask.causal ? &key : &none, mask.causal ? &value : &none, &state},
      [sizes, mask, options, q, k, v, before, out, normalizer](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        Tensor dstate = Tensor::zeros(before.shape(), before.dtype());
        dispatch_float(q.dtype(), [&]<class T>(T) {
          linear_attention_part_backward<T>(sizes, visibility_of(mask), options, heads_of<T>(q), heads_of<T>(k),
                                            heads_of<T>(v), before.data<T>(), heads_of<T>(out), normalizer.data<T>(),
                                            heads_of<T>(dy), inputs.gradient<T>(0), inputs.gradient<T>(1),
                                            inputs.gradient<T>(2), dstate.data<T>());
        });
        inputs.add(3, dstate);
      });
}

}  // namespace cosformer
