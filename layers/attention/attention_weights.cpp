#include "layers/attention/attention_weights.h"

#include "core/error.h"

namespace cosformer {

Tensor attention_weights(const Attention& attention, const Tensor& query, const Tensor& key, const AttentionMask& mask) {
  const std::int64_t batch = key.dim(0), keys = key.dim(1), heads = key.dim(2);
  Tensor identity = Tensor::zeros({batch, keys, heads, keys}, query.dtype());
  for (std::int64_t j = 0; j < keys; ++j) identity.narrow(1, j, 1).narrow(3, j, 1).fill(1);
  // [B, T, H, S]
  const Tensor out = attention.forward(Variable(query), Variable(key), Variable(identity), mask).value();
  return out.transpose(1, 2).contiguous();
}

AttentionRecord record_attention(const Attention& attention, const Tensor& query, const Tensor& key,
                                 const AttentionMask& mask) {
  check<Error>(!mask.key_mask || mask.key_mask->positions.empty(),
               "[attention] a record shows every position; this text was read without its padding");
  AttentionRecord record{query, key, attention_weights(attention, query, key, mask), {}, 0, mask.causal};
  if (const auto plain = attention.without_reweighting()) {
    record.plain_weights = attention_weights(*plain, query, key, mask);
    record.reweighting_angle = attention.reweighting_angle(query.dim(1), key.dim(1), mask);
  }
  return record;
}

}  // namespace cosformer
