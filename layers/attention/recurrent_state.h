#pragma once
/// \file
/// States of a fixed size per head, for generation token by token.

#include <cstdint>
#include <span>
#include <utility>

#include "autograd/ops/attention_operands.h"
#include "core/kernels/linear_attention/linear_attention.h"
#include "layers/attention/attention.h"
#include "layers/attention/carried_state.h"
#include "layers/attention/select_rows.h"

namespace cosformer {

/// Numbers per head that one token after the other changes, zeros before the first.
class RecurrentState : public AttentionState {
 public:
  void select(std::span<const std::int64_t> rows) final {
    if (state_.defined()) state_ = select_rows(state_, rows);
  }

 protected:
  /// The sizes of one token: query [B, 1, H, D], value [B, 1, H, E].
  static AttentionSizes token_sizes(const Tensor& query, const Tensor& value) {
    return {query.dim(0), 1, 1, query.dim(2), query.dim(3), value.dim(3)};
  }

  /// The numbers of all heads [B, H, numbers].
  Tensor& state_of(const AttentionSizes& sizes, DType dtype, std::int64_t numbers) {
    if (!state_.defined()) state_ = Tensor::zeros({sizes.batch, sizes.heads, numbers}, dtype);
    return state_;
  }

  /// The token's output [B, 1, H, E], which `step(state, out)` writes: `state` is a T* to the `numbers` of all heads, `out`
  /// what `mutable_heads_of<T>` gives, T the type of `dtype`.
  template <class Step>
  Tensor advance(const AttentionSizes& sizes, DType dtype, std::int64_t numbers, const Step& step) {
    Tensor& state = state_of(sizes, dtype, numbers);
    Tensor out = Tensor::empty({sizes.batch, 1, sizes.heads, sizes.value_dim}, dtype);
    dispatch_float(dtype, [&]<class T>(T) { step(state.data<T>(), mutable_heads_of<T>(out)); });
    return out;
  }

  /// For an operator that moves the state on over several tokens.
  CarriedState carried() { return {.before = state_, .behind = &state_}; }

 private:
  Tensor state_;
};

/// The state of linear attention; see linear_attention_step.
class LinearState : public RecurrentState {
 public:
  Tensor step(const AttentionInputs& inputs) final { return steps(inputs); }
  Tensor steps(const AttentionInputs& inputs) override = 0;

 protected:
  explicit LinearState(LinearAttentionOptions options) : options_(std::move(options)) {}

  /// The outputs for the next positions, of one token by itself or of several at once.
  Tensor advance_linear(const Tensor& query, const Tensor& key, const Tensor& value) {
    const AttentionSizes sizes = token_sizes(query, value);
    const std::int64_t numbers = linear_attention_state_size(sizes, options_);
    const std::int64_t position = std::exchange(position_, position_ + query.dim(1));
    if (query.dim(1) == 1) {
      return advance(sizes, query.dtype(), numbers, [&]<class T>(T* state, const auto& out) {
        linear_attention_step<T>(sizes, options_, position, heads_of<T>(query), heads_of<T>(key), heads_of<T>(value), state,
                                 out);
      });
    }
    LinearAttentionOptions options = options_;
    options.first_position = position;
    return attend_to_state(query, key, value, options, state_of(sizes, query.dtype(), numbers));
  }

  LinearAttentionOptions options_;
  std::int64_t position_ = 0;
};

}  // namespace cosformer
