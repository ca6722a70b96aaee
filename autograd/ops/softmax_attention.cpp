#include "core/kernels/softmax_attention/softmax_attention.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/softmax_attention/materialized.h"

namespace cosformer {

Variable softmax_attention(const Variable& query, const Variable& key, const Variable& value, const AttentionMask& mask,
                           const SoftmaxAttentionOptions& options) {
  const AttentionSizes sizes = attention_sizes("softmax_attention", query, key, value, mask);
  check<ShapeError>(options.distance_slopes.empty() || std::ssize(options.distance_slopes) == sizes.heads,
                    "[softmax_attention] ", options.distance_slopes.size(), " slopes of distances for ", sizes.heads,
                    " heads");
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), v = inner_contiguous(value.value());
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, query.dtype());
  // The backward pass needs the row log-sum-exp, or the whole matrix in the materialised form.
  Tensor saved = Tensor::empty(options.materialized ? Shape{sizes.batch, sizes.heads, sizes.queries, sizes.keys}
                                                    : Shape{sizes.batch, sizes.heads, sizes.queries},
                               query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    const auto forward = options.materialized ? softmax_attention_materialized_forward<T> : softmax_attention_forward<T>;
    forward(sizes, visibility_of(mask, options), static_cast<T>(options.scale), heads_of<T>(q), heads_of<T>(k),
            heads_of<T>(v), mutable_heads_of<T>(out), saved.data<T>());
  });
  return Variable::from_operation(
      "softmax_attention", out, {&query, &key, &value},
      [sizes, mask, options, q, k, v, out, saved](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        dispatch_float(q.dtype(), [&]<class T>(T) {
          if (options.materialized) {
            Tensor scratch = Tensor::empty(saved.shape(), saved.dtype());
            softmax_attention_materialized_backward<T>(sizes, static_cast<T>(options.scale), heads_of<T>(q), heads_of<T>(k),
                                                       heads_of<T>(v), saved.data<T>(), heads_of<T>(dy), scratch.data<T>(),
                                                       inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2),
                                                       mask.dropout ? &*mask.dropout : nullptr);
          } else {
            softmax_attention_backward<T>(sizes, visibility_of(mask, options), static_cast<T>(options.scale), heads_of<T>(q),
                                          heads_of<T>(k), heads_of<T>(v), heads_of<T>(out), saved.data<T>(), heads_of<T>(dy),
                                          inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2));
          }
        });
      });
}

}  // namespace cosformer
