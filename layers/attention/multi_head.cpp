#include "layers/attention/multi_head.h"

#include <array>
#include <numbers>

#include "core/error.h"
#include "layers/attention/attention_weights.h"
#include "layers/attention/registry.h"
#include "layers/attention/select_rows.h"

namespace cosformer {

namespace {

/// Query, key and value start smaller, as in fairseq: three projections of one input share the variance of one.
constexpr double kProjectionGain = 1.0 / std::numbers::sqrt2;

std::int64_t head_dim_of(std::int64_t embed_dim, std::int64_t num_heads) {
  check<InputError>(num_heads >= 1 && embed_dim % num_heads == 0,
                    "model.num_heads: expected a divisor of embed_dim = ", embed_dim, ", found ", num_heads);
  return embed_dim / num_heads;
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(const Scope& scope, std::int64_t embed_dim, std::int64_t num_heads,
                                       const AttentionConfig& config, std::int64_t max_length)
    : path_(scope.path()),
      num_heads_(num_heads),
      q_proj_(scope / "q_proj", embed_dim, embed_dim, kProjectionGain),
      k_proj_(scope / "k_proj", embed_dim, embed_dim, kProjectionGain),
      v_proj_(scope / "v_proj", embed_dim, embed_dim, kProjectionGain),
      out_proj_(scope / "out_proj", embed_dim, embed_dim),
      weight_dropout_(scope / "weights", config.dropout),
      attention_(make_attention(config, {.scope = scope,
                                         .num_heads = num_heads,
                                         .head_dim = head_dim_of(embed_dim, num_heads),
                                         .embed_dim = embed_dim,
                                         .max_length = max_length})) {}

Variable MultiHeadAttention::split_heads(const Variable& x) const {
  return reshape(x, {x.dim(0), x.dim(1), num_heads_, x.dim(2) / num_heads_});
}

Variable MultiHeadAttention::attend(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const {
  if (pass.attention_records) {
    pass.attention_records->insert_or_assign(path_, record_attention(*attention_, inputs, mask, pass));
  }
  AttentionMask dropped = mask;
  dropped.dropout = weight_dropout_.mask(pass);
  return attention_->forward(inputs, dropped, pass);
}

Variable MultiHeadAttention::forward(const Variable& x, const Variable& source, const AttentionMask& mask,
                                     const Pass& pass) const {
  const AttentionInputs inputs{split_heads(q_proj_.forward(x, pass)), split_heads(k_proj_.forward(source, pass)),
                               split_heads(v_proj_.forward(source, pass)), source};
  return out_proj_.forward(reshape(attend(inputs, mask, pass), x.shape()), pass);
}

Variable MultiHeadAttention::forward_residual(const Variable& x, const LayerNorm& norm, const Dropout& dropout,
                                              const AttentionMask& mask, const Pass& pass) const {
  if (attention_->reads_input()) {
    // The fused operation does not show the norm's output.
    const Variable input = norm.forward(x, pass);
    return add(x, dropout.forward(forward(input, input, mask, pass), pass));
  }
  const std::array<LinearWeights, 3> projections = {q_proj_.weights(pass), k_proj_.weights(pass), v_proj_.weights(pass)};
  const std::vector<Variable> heads = norm_linear(x, norm.weights(pass), projections);
  const Variable attended = attend({split_heads(heads[0]), split_heads(heads[1]), split_heads(heads[2])}, mask, pass);
  return linear_residual(reshape(attended, x.shape()), out_proj_.weights(pass), x, dropout.mask(pass));
}

void EncoderKeys::select(std::span<const std::int64_t> rows) {
  key = select_rows(key, rows);
  value = select_rows(value, rows);
  input = select_rows(input, rows);
  if (mask) mask = select_rows(*mask, rows);
}

EncoderKeys MultiHeadAttention::keys_of(const Variable& source, const SharedPaddingMask& mask) const {
  const Pass pass;
  return {split_heads(k_proj_.forward(source, pass)).value(), split_heads(v_proj_.forward(source, pass)).value(),
          source.value(), mask};
}

Tensor MultiHeadAttention::attend_to(const EncoderKeys& keys, const Tensor& x, std::int64_t position) const {
  const Pass pass;
  const AttentionInputs inputs{split_heads(q_proj_.forward(Variable(x), pass)), Variable(keys.key), Variable(keys.value),
                               Variable(keys.input)};
  const AttentionMask mask = mask_of_query_at(position, keys.key.dim(0), keys.key.dim(1), keys.mask);
  const Tensor out = attention_->forward(inputs, mask, pass).value();
  return out_proj_.forward(Variable(out.reshape(x.shape())), pass).value();
}

Tensor MultiHeadAttention::step(const Tensor& x, AttentionState& state) const {
  const Pass pass;
  const Variable input(x);
  const auto project = [&](const Linear& projection) { return split_heads(projection.forward(input, pass)); };
  const Tensor out = state.step({project(q_proj_), project(k_proj_), project(v_proj_), input});
  return out_proj_.forward(Variable(out.reshape(x.shape())), pass).value();
}

}  // namespace cosformer
