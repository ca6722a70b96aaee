#include "layers/attention/carried_state.h"

#include <algorithm>

#include "autograd/ops.h"
#include "core/kernels/linear_attention/part.h"

namespace cosformer {

void add_carried(Tensor& state, const std::vector<double>& factors, const Tensor& sums) {
  const std::int64_t heads = std::ssize(factors), block = state.size() / (state.dim(0) * heads);
  dispatch_float(state.dtype(), [&]<class T>(T) {
    T* const to = state.data<T>();
    const T* const from = sums.data<T>();
    for (std::int64_t row = 0; row < state.dim(0) * heads; ++row) {
      const T factor = static_cast<T>(factors[static_cast<std::size_t>(row % heads)]);
      for (std::int64_t i = row * block; i < (row + 1) * block; ++i) to[i] = factor * to[i] + from[i];
    }
  });
}

Tensor attend_to_state(const Tensor& query, const Tensor& key, const Tensor& value, const LinearAttentionOptions& options,
                       Tensor& state) {
  const std::int64_t tokens = query.dim(1), heads = query.dim(2);
  const AttentionSizes sizes{query.dim(0), tokens, tokens, heads, query.dim(3), value.dim(3)};
  Tensor before = Tensor::empty({sizes.batch, heads, state.dim(2) / sizes.head_dim, sizes.head_dim}, state.dtype());
  dispatch_float(state.dtype(),
                 [&]<class T>(T) { linear_attention_state_to_part<T>(sizes, options, state.data<T>(), before.data<T>()); });
  const AttentionMask mask{.causal = true, .key_mask = {}, .query_mask = {}};
  const CarriedResult window = go_on_from_sums(Variable(query), Variable(key), Variable(value), before, mask, options);
  dispatch_float(state.dtype(), [&]<class T>(T) {
    linear_attention_state_from_part<T>(sizes, options, window.state.data<T>(), state.data<T>());
  });
  return window.attended.value();
}

CarriedResult go_on_from_sums(const Variable& query, const Variable& key, const Variable& value, const Tensor& sums,
                              const AttentionMask& mask, const LinearAttentionOptions& options) {
  Tensor next = sums.clone();
  add_carried(next, linear_attention_carry(options, query.dim(2), query.dim(1)),
              linear_attention_key_sums(key.detach(), value.detach(), mask, options).value());
  return {linear_attention_part(query, key, value, Variable(sums), mask, options), next};
}

bool reads_parts(const LinearAttentionOptions& options, std::int64_t heads) {
  constexpr double kLeast = 1e-6;
  return std::ranges::all_of(linear_attention_carry(options, heads, 1), [](double factor) { return factor > kLeast; });
}

}  // namespace cosformer
