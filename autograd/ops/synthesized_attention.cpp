#include "core/kernels/synthesized_attention/synthesized_attention.h"

#include <algorithm>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

namespace {

/// Sizes without queries and keys of their own.
AttentionSizes sizes_of(const char* operation, std::int64_t queries, const Variable& value, const AttentionMask& mask) {
  check<ShapeError>(value.shape().rank() == 4, '[', operation, "] value ", value.shape(), " is not [B, S, H, E]");
  const Variable places(Tensor::empty({value.dim(0), queries, value.dim(2), 1}, value.dtype()));
  return attention_sizes(operation, places, Variable(value.value().narrow(3, 0, std::min<std::int64_t>(1, value.dim(3)))),
                         value, mask);
}

/// One more than the last position of `length` tokens.
std::int64_t positions_of(const SharedPaddingMask& mask, std::int64_t length) {
  if (!mask || mask->positions.empty()) return length;
  return mask->positions.empty() ? 0 : *std::ranges::max_element(mask->positions) + 1;
}

}  // namespace

Variable table_attention(const Variable& table, const Variable& value, const AttentionMask& mask, std::int64_t queries) {
  const AttentionSizes sizes = sizes_of("table_attention", queries, value, mask);
  const std::int64_t longest = std::max(positions_of(mask.query_mask, queries), positions_of(mask.key_mask, sizes.keys));
  check<ShapeError>(
      table.shape().rank() == 3 && table.dim(0) == sizes.heads && table.dim(1) == table.dim(2) && longest <= table.dim(1),
      "[table_attention] a table ", table.shape(), " for ", sizes.heads, " heads and ", longest, " positions");
  const Tensor scores = table.value().contiguous(), v = inner_contiguous(value.value());
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, value.dtype());
  Tensor log_sum_exp = Tensor::empty({sizes.batch, sizes.heads, sizes.queries}, value.dtype());
  dispatch_float(value.dtype(), [&]<class T>(T) {
    table_attention_forward<T>(sizes, visibility_of(mask), {scores.data<T>(), scores.dim(1)}, heads_of<T>(v),
                               mutable_heads_of<T>(out), log_sum_exp.data<T>());
  });
  return Variable::from_operation("table_attention", out, {&table, &value},
                                  [sizes, mask, scores, v, out, log_sum_exp](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = inner_contiguous(dout);
                                    dispatch_float(v.dtype(), [&]<class T>(T) {
                                      table_attention_backward<T>(sizes, visibility_of(mask),
                                                                  {scores.data<T>(), scores.dim(1)}, heads_of<T>(v),
                                                                  heads_of<T>(out), log_sum_exp.data<T>(), heads_of<T>(dy),
                                                                  inputs.gradient<T>(0), inputs.gradient<T>(1));
                                    });
                                  });
}

Variable factor_attention(const Variable& a, const Variable& b, const Variable& value, const AttentionMask& mask) {
  const bool fits = a.shape().rank() == 4 && b.shape().rank() == 4 && b.shape().with_dim(3, a.dim(3)) == a.shape();
  check<ShapeError>(fits, "[factor_attention] factors ", a.shape(), " and ", b.shape(),
                    " are not [B, T, H, A] and [B, T, H, B]");
  const AttentionSizes sizes = sizes_of("factor_attention", a.dim(1), value, mask);
  const std::int64_t longest = positions_of(mask.key_mask, sizes.keys);
  check<ShapeError>(sizes.batch == a.dim(0) && sizes.heads == a.dim(2) && longest <= a.dim(3) * b.dim(3),
                    "[factor_attention] factors ", a.shape(), " and ", b.shape(), " for values ", value.shape(), " at ",
                    longest, " positions");
  const Tensor a_rows = inner_contiguous(a.value()), b_rows = inner_contiguous(b.value()),
               v = inner_contiguous(value.value());
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, value.dtype());
  Tensor log_sum_exp = Tensor::empty({sizes.batch, sizes.heads, sizes.queries}, value.dtype());
  const auto scores_of = [a_rows, b_rows]<class T>(T) {
    return ScoreFactors<T>{heads_of<T>(a_rows), heads_of<T>(b_rows), a_rows.dim(3), b_rows.dim(3)};
  };
  dispatch_float(value.dtype(), [&]<class T>(T type) {
    factor_attention_forward<T>(sizes, visibility_of(mask), scores_of(type), heads_of<T>(v), mutable_heads_of<T>(out),
                                log_sum_exp.data<T>());
  });
  return Variable::from_operation("factor_attention", out, {&a, &b, &value},
                                  [sizes, mask, scores_of, v, out, log_sum_exp](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = inner_contiguous(dout);
                                    dispatch_float(v.dtype(), [&]<class T>(T type) {
                                      factor_attention_backward<T>(sizes, visibility_of(mask), scores_of(type),
                                                                   heads_of<T>(v), heads_of<T>(out), log_sum_exp.data<T>(),
                                                                   heads_of<T>(dy), inputs.gradient<T>(0),
                                                                   inputs.gradient<T>(1), inputs.gradient<T>(2));
                                    });
                                  });
}

}  // namespace cosformer
