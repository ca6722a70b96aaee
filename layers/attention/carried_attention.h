#pragma once
/// \file
/// Attention of texts that are read window by window in training, each window with what the one before has left: truncated
/// back-propagation through time, as Dai et al., Transformer-XL, 2019, do it with keys and values.

#include <cstdint>

#include "layers/attention/attention.h"

namespace cosformer {

/// A window of texts, whose rows stand at the same place.
struct CarriedWindow {
  std::int64_t first = 0;  ///< tokens of each text before the window; 0: the state holds zeros
  AttentionMask mask;      ///< of the window's tokens: causal, none of them padding
};

/// What a window gives.
struct CarriedResult {
  Variable attended;  ///< [B, T, H, E]
  Tensor state;       ///< behind the window, of the shape that it had before
};

/// What an attention offers whose windows go on with a text. Windows are as long as each other.
class CarriedAttention {
 public:
  virtual ~CarriedAttention() = default;
  /// [batch, ..] of windows of `tokens` tokens: rows have states of their own, one behind the other. Zeros are the state
  /// before a text's first token.
  virtual Shape state_shape(std::int64_t batch, std::int64_t tokens) const = 0;
  /// The longest text that windows of `tokens` tokens may be of; 0: any.
  virtual std::int64_t longest_text(std::int64_t) const { return 0; }
  /// Tokens before a window whose keys and values a pass has beside the window's own; 0: it reads sums.
  virtual std::int64_t tokens_beside(std::int64_t) const { return 0; }
  /// The outputs of a window's queries, which see the tokens before through `state`, and the state behind the window.
  /// `state` is a constant: no gradient flows into the window before, and the result's has no graph. It stays as it is,
  /// since a layer that is computed again reads it again.
  virtual CarriedResult go_on(const AttentionInputs& inputs, const Tensor& state, const CarriedWindow& window,
                              const Pass& pass) const = 0;
};

}  // namespace cosformer
