#include "core/kernels/linear_attention/linear_attention.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

Variable linear_attention(const Variable& query, const Variable& key, const Variable& value, const AttentionMask& mask,
                          const LinearAttentionOptions& options) {
  check<ShapeError>(!mask.dropout, "[linear_attention] there are no weights that dropout could apply to");
  const AttentionSizes sizes = attention_sizes("linear_attention", query, key, value, mask);
  const ReweightingKind& kind = reweighting_kind(options.reweighting);
  const auto steps = static_cast<std::size_t>(kind.of_heads ? sizes.heads : sizes.batch);
  check<ShapeError>(kind.weight == nullptr || (options.steps.query.size() == steps && options.steps.key.size() == steps),
                    "[linear_attention] expected ", steps, " steps, found ", options.steps.query.size(), " and ",
                    options.steps.key.size());
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), v = inner_contiguous(value.value());
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, query.dtype());
  Tensor normalizer = Tensor::empty({sizes.batch, sizes.queries, sizes.heads}, query.dtype());
  Tensor sums = Tensor::empty({sizes.batch, sizes.heads, linear_attention_saved_size(sizes, visibility_of(mask), options)},
                              query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    linear_attention_forward<T>(sizes, visibility_of(mask), options, heads_of<T>(q), heads_of<T>(k), heads_of<T>(v),
                                mutable_heads_of<T>(out), normalizer.data<T>(), sums.data<T>());
  });
  return Variable::from_operation(
      "linear_attention", out, {&query, &key, &value},
      [sizes, mask, options, q, k, v, out, normalizer, sums](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        dispatch_float(q.dtype(), [&]<class T>(T) {
          linear_attention_backward<T>(sizes, visibility_of(mask), options, heads_of<T>(q), heads_of<T>(k), heads_of<T>(v),
                                       heads_of<T>(out), normalizer.data<T>(), sums.data<T>(), heads_of<T>(dy),
                                       inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2));
        });
      });
}

}  // namespace cosformer
