#include "layers/attention/multi_head.h"

#include <numbers>
#include <vector>

#include "core/error.h"
#include "layers/attention/attention_weights.h"
#include "layers/attention/carried_attention.h"
#include "layers/attention/registry.h"
#include "layers/attention/select_rows.h"
#include "layers/packed_texts.h"

namespace cosformer {

namespace {

/// Query, key and value start smaller, as in fairseq: three projections of one input share the variance of one.
constexpr double kProjectionGain = 1.0 / std::numbers::sqrt2;

std::int64_t head_dim_of(std::int64_t embed_dim, std::int64_t num_heads) {
  check<InputError>(num_heads >= 1 && embed_dim % num_heads == 0,
                    "model.num_heads: expected a divisor of embed_dim = ", embed_dim, ", found ", num_heads);
  return embed_dim / num_heads;
}

/// Width of the projections of keys and of values.
std::int64_t key_width(const AttentionConfig& config, std::int64_t embed_dim, std::int64_t num_heads) {
  check<InputError>(config.kv_heads == 0 || num_heads % config.kv_heads == 0,
                    "model.num_kv_heads: expected a divisor of num_heads = ", num_heads, ", found ", config.kv_heads);
  return config.kv_heads == 0 ? embed_dim : embed_dim / num_heads * config.kv_heads;
}

/// A projection of queries or keys, if the kind of attention has it.
std::optional<Linear> projection_if(bool AttentionSupport::*has, const Scope& scope, std::int64_t embed_dim,
                                    std::int64_t width, const AttentionConfig& config) {
  if (!(find_attention_kind(config.kind).supports(config).*has)) return std::nullopt;
  return Linear(scope, embed_dim, width, kProjectionGain, config.bias);
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(const Scope& scope, std::int64_t embed_dim, std::int64_t num_heads,
                                       const AttentionConfig& config, std::int64_t max_length)
    : path_(scope.path()),
      head_dim_(head_dim_of(embed_dim, num_heads)),
      q_proj_(projection_if(&AttentionSupport::projects_query, scope / "q_proj", embed_dim, embed_dim, config)),
      k_proj_(projection_if(&AttentionSupport::projects_key, scope / "k_proj", embed_dim,
                            key_width(config, embed_dim, num_heads), config)),
      v_proj_(scope / "v_proj", embed_dim, key_width(config, embed_dim, num_heads), kProjectionGain, config.bias),
      out_proj_(scope / "out_proj", embed_dim, embed_dim, 1.0, config.bias),
      weight_dropout_(scope / "weights", config.dropout),
      head_inputs_(scope, config, num_heads, head_dim_),
      attention_(make_attention(config, {.scope = scope,
                                         .num_heads = num_heads,
                                         .head_dim = head_dim_,
                                         .embed_dim = embed_dim,
                                         .max_length = max_length})) {
  if (attention_->wants_norm()) head_norm_.emplace(scope / "head_norm", NormKind::rms, head_dim_, false);
  if (config.output_gate == OutputGate::none) return;
  gate_proj_.emplace(scope / "gate_proj", embed_dim, embed_dim, kProjectionGain, config.bias);
  gate_function_ = config.output_gate == OutputGate::silu ? ScalarFunction::silu : ScalarFunction::sigmoid;
}

Variable MultiHeadAttention::split_heads(const Variable& x) const {
  return reshape(x, {x.dim(0), x.dim(1), x.dim(2) / head_dim_, head_dim_});
}

Variable MultiHeadAttention::join_heads(const Variable& attended, const Variable& gate, const Pass& pass) const {
  const Variable heads = head_norm_ ? head_norm_->forward(attended, pass) : attended;
  const Variable joined = reshape(heads, {heads.dim(0), heads.dim(1), heads.dim(2) * heads.dim(3)});
  return gate_proj_ ? gated_product(joined, gate, gate_function_) : joined;
}

Variable MultiHeadAttention::gate_of(const Variable& x, const Pass& pass) const {
  return gate_proj_ ? gate_proj_->forward(x, pass) : Variable();
}

AttentionInputs MultiHeadAttention::project(const Variable& x, const Variable& source, const Pass& pass) const {
  AttentionInputs projected;
  if (q_proj_) projected.query = split_heads(q_proj_->forward(x, pass));
  if (k_proj_) projected.key = split_heads(k_proj_->forward(source, pass));
  projected.value = split_heads(v_proj_.forward(source, pass));
  projected.input = source;
  return projected;
}

Variable MultiHeadAttention::attend(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const {
  if (pass.packed) return attend_apart(inputs, mask, pass);
  if (pass.attention_records) {
    pass.attention_records->insert_or_assign(path_, record_attention(*attention_, inputs, mask, pass));
  }
  AttentionMask dropped = mask;
  dropped.dropout = weight_dropout_.mask(pass);
  return pass.layer_texts ? go_on(inputs, dropped, pass) : attention_->forward(inputs, dropped, pass);
}

Variable MultiHeadAttention::go_on(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const {
  const LayerTexts& texts = *pass.layer_texts;
  CarriedResult result = attention_->carried()->go_on(inputs, texts.before.front(), {pass.carried->first, mask}, pass);
  Tensor after = texts.after.front();
  after.copy_from(result.state);
  return std::move(result.attended);
}

std::vector<CarriedPart> MultiHeadAttention::carried_parts(std::int64_t rows, std::int64_t tokens) const {
  const CarriedAttention* const carried = attention_->carried();
  check<Error>(carried != nullptr, "[attention] ", path_, " cannot go on with a text in another window");
  std::vector<CarriedPart> parts = {{path_ + ".state", carried->state_shape(rows, tokens)}};
  for (CarriedPart& tail : head_inputs_.carried_parts(rows)) {
    tail.name = path_ + '.' + tail.name;
    parts.push_back(std::move(tail));
  }
  return parts;
}

Variable MultiHeadAttention::attend_apart(const AttentionInputs& projected, const AttentionMask& mask,
                                          const Pass& pass) const {
  return pass.packed->apart([&](std::int64_t batch, const SharedPaddingMask& padding, const PackedTexts::Take& take) {
    Pass own = pass;
    own.packed = nullptr;
    // Batches of texts must not drop the same weights. Sequences have smaller numbers.
    constexpr int kSequenceBits = 48;
    own.noise_index += static_cast<std::uint64_t>(batch) << kSequenceBits;
    const AttentionInputs texts{take(projected.query), take(projected.key), take(projected.value),
                                attention_->reads_input() ? take(projected.input) : Variable()};
    return attend(head_inputs_.of(texts, padding, own), {mask.causal, padding, padding}, own);
  });
}

AttentionInputs MultiHeadAttention::prepare(const AttentionInputs& projected, const SharedPaddingMask& mask,
                                            const Pass& pass, std::int64_t first) const {
  return pass.packed ? projected : head_inputs_.of(projected, mask, pass, first);
}

Variable MultiHeadAttention::attend_part(const AttentionInputs& inputs, const Variable& state, const SequencePart& part,
                                         const Pass& pass) const {
  SequencePart dropped = part;
  dropped.mask.dropout = weight_dropout_.mask(pass);
  return attention_->cut()->attend(inputs, state, dropped, pass);
}

Variable MultiHeadAttention::forward(const Variable& x, const Variable& source, const AttentionMask& mask,
                                     const Pass& pass) const {
  const Heads heads = heads_of(x, source, mask.key_mask, pass);
  return close(attend(heads.inputs, mask, pass), heads.gate, pass);
}

MultiHeadAttention::Heads MultiHeadAttention::heads_of(const Variable& x, const Variable& source,
                                                       const SharedPaddingMask& mask, const Pass& pass,
                                                       std::int64_t first) const {
  return {prepare(project(x, source, pass), mask, pass, first), gate_of(x, pass)};
}

MultiHeadAttention::Heads MultiHeadAttention::heads_of_norm(const Variable& x, const Norm& norm,
                                                            const SharedPaddingMask& mask, const Pass& pass,
                                                            std::int64_t first) const {
  std::vector<LinearWeights> projections;
  if (q_proj_) projections.push_back(q_proj_->weights(pass));
  if (k_proj_) projections.push_back(k_proj_->weights(pass));
  projections.push_back(v_proj_.weights(pass));
  if (gate_proj_) projections.push_back(gate_proj_->weights(pass));
  const std::vector<Variable> heads = norm_linear(x, norm.weights(pass), projections);
  AttentionInputs projected;
  std::size_t next = 0;
  if (q_proj_) projected.query = split_heads(heads[next++]);
  if (k_proj_) projected.key = split_heads(heads[next++]);
  projected.value = split_heads(heads[next]);
  return {prepare(projected, mask, pass, first), gate_proj_ ? heads.back() : Variable()};
}

Variable MultiHeadAttention::close_residual(const Variable& attended, const Variable& gate, const Variable& x,
                                            const Dropout& dropout, const Pass& pass) const {
  return linear_residual(join_heads(attended, gate, pass), out_proj_.weights(pass), x, dropout.mask(pass));
}

void EncoderKeys::select(std::span<const std::int64_t> rows) {
  key = select_rows(key, rows);
  value = select_rows(value, rows);
  input = select_rows(input, rows);
  if (mask) mask = select_rows(*mask, rows);
}

EncoderKeys MultiHeadAttention::keys_of(const Variable& source, const SharedPaddingMask& mask) const {
  const Pass pass;
  return {head_inputs_.all_heads(split_heads(k_proj_.value().forward(source, pass))).value(),
          head_inputs_.all_heads(split_heads(v_proj_.forward(source, pass))).value(), source.value(), mask};
}

Tensor MultiHeadAttention::attend_to(const EncoderKeys& keys, const Tensor& x, std::int64_t position) const {
  const Pass pass;
  const AttentionInputs inputs{split_heads(q_proj_.value().forward(Variable(x), pass)), Variable(keys.key),
                               Variable(keys.value), Variable(keys.input)};
  const AttentionMask mask = mask_of_query_at(position, keys.key.dim(0), keys.key.dim(1), keys.mask);
  const Variable out = attention_->forward(inputs, mask, pass);
  return out_proj_.forward(join_heads(out, gate_of(Variable(x), pass), pass), pass).value();
}

Tensor MultiHeadAttention::step(const Tensor& x, AttentionState& state) const {
  const Pass pass;
  const Variable input(x);
  const AttentionInputs all = project(input, input, pass);
  const Tensor attended = state.steps(all);
  return out_proj_.forward(join_heads(Variable(attended), gate_of(input, pass), pass), pass).value();
}

}  // namespace cosformer
