#pragma once
/// \file
/// Attention with a state of each head that one operator begins with and gives: of a whole text, or of one in windows.

#include <cstdint>

#include "layers/attention/carried_attention.h"
#include "layers/attention/recurrent_state.h"

namespace cosformer {

/// Its windows go on with each other's states in training, and several tokens of a text that is read or written are one
/// window of it.
class RecurrentAttention : public Attention, public CarriedAttention {
 public:
  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const final {
    return attend(inputs, mask, pass, {});
  }

  const CarriedAttention* carried() const final { return this; }
  Shape state_shape(std::int64_t batch, std::int64_t) const final { return {batch, num_heads_, state_numbers()}; }
  CarriedResult go_on(const AttentionInputs& inputs, const Tensor& state, const CarriedWindow& window,
                      const Pass& pass) const final {
    CarriedResult result;
    result.attended = attend(inputs, window.mask, pass, {.before = state, .behind = &result.state});
    return result;
  }

 protected:
  explicit RecurrentAttention(const AttentionSetting& setting) : Attention(setting), num_heads_(setting.num_heads) {}

  std::int64_t num_heads() const { return num_heads_; }
  /// Numbers of a head's state.
  virtual std::int64_t state_numbers() const = 0;
  /// `forward` from one state to another.
  virtual Variable attend(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass,
                          const CarriedState& carried) const = 0;

  /// A state that reads one token by a step of its own, and several at once as a window. The attention outlives it.
  class State : public RecurrentState {
   public:
    explicit State(const RecurrentAttention& attention) : attention_(attention) {}
    Tensor steps(const AttentionInputs& inputs) final {
      if (inputs.value.dim(1) == 1) return step(inputs);
      return attention_.attend(inputs, {.causal = true, .key_mask = {}, .query_mask = {}}, Pass(), carried()).value();
    }

   private:
    const RecurrentAttention& attention_;
  };

 private:
  std::int64_t num_heads_;
};

}  // namespace cosformer
