#include "layers/attention/carried_keys.h"

#include <algorithm>

#include "layers/attention/window_in_parts.h"

namespace cosformer {

Shape CarriedKeys::state_shape(std::int64_t batch, std::int64_t tokens) const {
  const std::int64_t kept = options_.window >= 0 ? std::max<std::int64_t>(options_.window, 1) : tokens;
  return {batch, kept, num_heads_, 2 * head_dim_};
}

CarriedResult CarriedKeys::go_on(const AttentionInputs& inputs, const Tensor& state, const CarriedWindow& window,
                                 const Pass& pass) const {
  const std::int64_t tokens = inputs.query.dim(1), kept = state.dim(1);
  const SequencePart part{window.first, window.first + tokens, window.mask, {.causal = true}};
  const WindowInParts attention(options_, kept);
  Tensor next =
      attention.handed({inputs.query.detach(), inputs.key.detach(), inputs.value.detach()}, part, pass).value().clone();
  // A window that is shorter than what is kept leaves some of what was there before.
  if (const std::int64_t older = kept - tokens; older > 0)
    next.narrow(1, 0, older).copy_from(state.narrow(1, tokens, older));
  return {attention.attend(inputs, Variable(state), part, pass), next};
}

}  // namespace cosformer
