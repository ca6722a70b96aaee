#include "layers/cost.h"

#include <algorithm>

#include "layers/attention/attention.h"

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

/// Floats that a layer keeps for its backward pass, a token: inputs of both norms and their outputs, query, key, value and the
/// attention's output, the feed-forward layer before and after its activation.
double saved_floats_per_token(const ModelConfig& config) {
  return 8.0 * static_cast<double>(config.embed_dim) + 2.0 * static_cast<double>(config.ffn_dim);
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
  const AttentionSetting setting{.num_heads = config.num_heads, .head_dim = config.embed_dim / config.num_heads, .causal_length = seq_len};
  const std::unique_ptr<Attention> attention = make_attention(config.attention, setting);
  const auto attention_flops = [&](bool causal) {
    return attention->forward_flops(seq_len, seq_len, causal) * static_cast<double>(config.num_heads) / static_cast<double>(seq_len);
  };
  const double projections = 2.0 * 4.0 * dim * dim, feed_forward = 2.0 * 2.0 * dim * ffn;
  const auto layers = static_cast<double>(config.num_layers);
  double flops = 0;
  if (config.kind != ModelKind::decoder) flops += layers * (projections + feed_forward + attention_flops(false));
  if (config.kind != ModelKind::encoder) {
    flops += layers * (projections + feed_forward + attention_flops(true)) + 2.0 * dim * static_cast<double>(config.vocab_size);
  }
  if (config.kind == ModelKind::encoder_decoder) flops += layers * (projections + attention_flops(false));
  return flops;
}

MemoryEstimate estimate_memory(const ModelConfig& config, std::int64_t elements, std::int64_t moments, std::int64_t rows,
                               std::int64_t seq_len, std::int64_t shards, std::int64_t threads) {
  constexpr std::int64_t kFloatBytes = 4;
  constexpr double kLogitTileBytes = 8.0 * 1024 * 1024;  // linear_cross_entropy's, one a running shard
  const std::int64_t running = std::min(shards, threads);
  const double tokens = static_cast<double>(rows) / static_cast<double>(shards) * static_cast<double>(running * seq_len);
  const double stacks = config.kind == ModelKind::encoder_decoder ? 2.5 : 1.0;
  // Embeddings, the last norm and the head keep about four rows of embed_dim more.
  const double floats = tokens * (stacks * static_cast<double>(config.num_layers) * saved_floats_per_token(config) +
                                  4.0 * static_cast<double>(config.embed_dim));
  MemoryEstimate estimate;
  estimate.parameters = elements * kFloatBytes;
  estimate.gradients = elements * kFloatBytes * shards;
  estimate.optimizer = elements * kFloatBytes * moments;
  estimate.activations = static_cast<std::int64_t>(floats * kFloatBytes + kLogitTileBytes * static_cast<double>(running));
  return estimate;
}

}  // namespace cosformer
