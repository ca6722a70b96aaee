#include "layers/attention/attention_weights.h"

#include "core/error.h"

namespace cosformer {

Tensor attention_weights(const Attention& attention, const AttentionInputs& inputs, const AttentionMask& mask,
                         const Pass& pass) {
  const std::int64_t batch = inputs.key.dim(0), keys = inputs.key.dim(1), heads = inputs.key.dim(2);
  Tensor identity = Tensor::zeros({batch, keys, heads, keys}, inputs.query.dtype());
  for (std::int64_t j = 0; j < keys; ++j) identity.narrow(1, j, 1).narrow(3, j, 1).fill(1);
  AttentionInputs own{inputs.query.detach(), inputs.key.detach(), Variable(identity), {}};
  if (inputs.input.defined()) own.input = inputs.input.detach();
  Pass plain = pass;
  plain.record_gradients = false;
  // [B, T, H, S]
  const Tensor out = attention.forward(own, mask, plain).value();
  return out.transpose(1, 2).contiguous();
}

AttentionRecord record_attention(const Attention& attention, const AttentionInputs& inputs, const AttentionMask& mask,
                                 const Pass& pass) {
  check<Error>(!mask.key_mask || mask.key_mask->positions.empty(),
               "[attention] a record shows every position; this text was read without its padding");
  AttentionRecord record{inputs.query.value(), inputs.key.value(), attention_weights(attention, inputs, mask, pass), {}, {},
                         mask.causal};
  if (const auto plain = attention.without_reweighting()) {
    record.plain_weights = attention_weights(*plain, inputs, mask, pass);
    record.reweighting = attention.reweighting(inputs.query.dim(1), inputs.key.dim(1), mask);
  }
  return record;
}

}  // namespace cosformer
