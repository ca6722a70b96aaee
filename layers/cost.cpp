#include "layers/cost.h"

#include <algorithm>

#include "layers/attention/attention.h"
#include "layers/transformer_layer.h"

namespace cosformer {

namespace {

/// "decoder.layers.3.fc1.weight" -> "decoder.layers.3", "decoder.embed_tokens.weight" -> "decoder.embed_tokens".
std::string group_of(const std::string& name) {
  const std::size_t first = name.find('.');
  const std::size_t second = name.find('.', first + 1);
  if (second == std::string::npos) return name;
  if (name.compare(first + 1, second - first - 1, "layers") != 0) return name.substr(0, second);
  return name.substr(0, name.find('.', second + 1));
}

/// The attention of one of a model's layers.
std::unique_ptr<Attention> attention_of(const ModelConfig& config, AttentionPlace place, std::int64_t seq_len) {
  return make_attention(
      attention_at(config.attention, place),
      {.num_heads = config.num_heads, .head_dim = config.embed_dim / config.num_heads, .causal_length = seq_len});
}

}  // namespace

std::vector<ParameterGroup> parameter_groups(const std::vector<Parameter>& parameters) {
  std::vector<ParameterGroup> groups;
  for (const Parameter& parameter : parameters) {
    const std::string name = group_of(parameter.name);
    auto found = std::ranges::find(groups, name, &ParameterGroup::name);
    if (found == groups.end()) found = groups.insert(groups.end(), {name, 0});
    found->elements += parameter.variable.value().size();
  }
  return groups;
}

double forward_flops_per_token(const ModelConfig& config, std::int64_t seq_len) {
  const auto dim = static_cast<double>(config.embed_dim), ffn = static_cast<double>(config.ffn_dim);
  const auto attention_flops = [&](AttentionPlace place) {
    return attention_of(config, place, seq_len)->forward_flops(seq_len, seq_len, place == AttentionPlace::decoder_self) *
           static_cast<double>(config.num_heads) / static_cast<double>(seq_len);
  };
  const double projections = 2.0 * 4.0 * dim * dim, feed_forward = 2.0 * 2.0 * dim * ffn;
  const auto layers = static_cast<double>(config.num_layers);
  double flops = 0;
  if (config.kind != ModelKind::decoder)
    flops += layers * (projections + feed_forward + attention_flops(AttentionPlace::encoder));
  if (config.kind != ModelKind::encoder) {
    flops += layers * (projections + feed_forward + attention_flops(AttentionPlace::decoder_self)) +
             2.0 * dim * static_cast<double>(config.vocab_size);
  }
  if (config.kind == ModelKind::encoder_decoder) flops += layers * (projections + attention_flops(AttentionPlace::cross));
  if (config.lm_head) flops += kMaskedShare * 2.0 * dim * (dim + static_cast<double>(config.vocab_size));
  return flops;
}

MemoryEstimate estimate_memory(const ModelConfig& config, std::int64_t elements, std::int64_t moments,
                               const GraphLoad& load) {
  constexpr std::int64_t kFloatBytes = 4;
  const std::int64_t seq_len = load.seq_len;
  const double tokens = static_cast<double>(load.rows * seq_len);
  const auto dim = static_cast<double>(config.embed_dim), ffn = static_cast<double>(config.ffn_dim);
  const auto vocab = static_cast<double>(config.vocab_size), layers = static_cast<double>(config.num_layers);
  const auto attention_of_place = [&](AttentionPlace place) {
    return attention_of(config, place, seq_len)->saved_numbers(seq_len, seq_len) * static_cast<double>(config.num_heads) /
           static_cast<double>(seq_len);
  };
  const double attention =
      attention_of_place(config.kind == ModelKind::encoder ? AttentionPlace::encoder : AttentionPlace::decoder_self);

  // Numbers kept for the backward pass, a token. A layer: input and output of its two norms; query, key, value and the
  // attention's output; the feed-forward layer before and after its activation. Fused blocks keep neither the norms' outputs
  // nor what comes after the activation. Attention to an encoder: a norm and an attention.
  const bool fused = uses_fused_blocks(config);
  const double layer = fused ? 6 * dim + ffn : 8 * dim + 2 * ffn;
  double saved = 0;
  if (config.kind != ModelKind::decoder) saved += layers * (layer + attention_of_place(AttentionPlace::encoder)) + 2 * dim;
  if (config.kind != ModelKind::encoder) saved += layers * (layer + attention) + 2 * dim;
  if (config.kind == ModelKind::encoder_decoder) saved += layers * (6 * dim + attention_of_place(AttentionPlace::cross));

  // What the most demanding operation of the backward pass works with while all that is kept: the loss with its tile of
  // logits, or the last layer.
  constexpr double kLogitTileNumbers = 4.0 * 1024 * 1024, kLeastTileRows = 128;  // those of linear_cross_entropy
  const double predicted = config.kind != ModelKind::encoder ? tokens : config.lm_head ? kMaskedShare * tokens : 0;
  const double tile = std::min(std::max(kLogitTileNumbers, kLeastTileRows * vocab), predicted * vocab);
  const double loss = tile + predicted * dim;
  const double block =
      fused ? std::max(2 * dim, 5 * dim + attention - ffn) : std::max(dim + 2 * ffn, 4 * dim + attention - 2 * ffn);
  const double working = std::max(loss, tokens * block);

  MemoryEstimate estimate;
  estimate.parameters = elements * kFloatBytes;
  estimate.gradients = elements * kFloatBytes * load.gradient_sets;
  estimate.optimizer = elements * kFloatBytes * moments;
  estimate.activations = static_cast<std::int64_t>((tokens * saved + working) * kFloatBytes) * load.at_once;
  return estimate;
}

}  // namespace cosformer
