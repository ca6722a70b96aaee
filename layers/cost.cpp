#include "layers/cost.h"

#include <algorithm>
#include <unordered_map>

#include "layers/adaptive.h"
#include "layers/attention/carried_attention.h"
#include "layers/attention/head_inputs.h"
#include "layers/attention/registry.h"
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

/// The attention of one of a model's layers, without numbers in its parameters.
std::unique_ptr<Attention> attention_of(const ModelConfig& config, AttentionPlace place, std::int64_t layer) {
  ParameterStore store(0, DType::float32, ParameterValues::shapes_only);
  return make_attention(attention_of_layer(config, place, layer), {.scope = Scope(store),
                                                                   .num_heads = config.num_heads,
                                                                   .head_dim = config.embed_dim / config.num_heads,
                                                                   .embed_dim = config.embed_dim,
                                                                   .max_length = config.max_length});
}

/// Numbers that a projection to keys or values gives, as a share of one to queries.
double kv_share(const ModelConfig& config) {
  return config.num_kv_heads > 0 ? static_cast<double>(config.num_kv_heads) / static_cast<double>(config.num_heads) : 1.0;
}

/// Projections to queries, keys and values that a layer has, in those to queries.
double input_projections(const ModelConfig& config, const AttentionConfig& own) {
  const AttentionSupport support = find_attention_kind(own.kind).supports(own);
  return (support.projects_query ? 1.0 : 0.0) + (support.projects_key ? 2.0 : 1.0) * kv_share(config);
}

/// Operations a token of the linear layers around an attention, and of the convolutions before it.
double projection_flops(const ModelConfig& config, const AttentionConfig& own) {
  const auto dim = static_cast<double>(config.embed_dim);
  const double inputs = input_projections(config, own);
  const double matrices = 1.0 + inputs + (own.output_gate == OutputGate::none ? 0.0 : 1.0);
  return 2.0 * matrices * dim * dim + 2.0 * static_cast<double>(own.short_convolution) * inputs * dim;
}

/// Numbers a token that a layer keeps for its backward pass around its attention, beside query, key, value and output.
double numbers_around(const ModelConfig& config, const AttentionConfig& own, const Attention& attention) {
  const auto dim = static_cast<double>(config.embed_dim);
  // Queries or keys that are not there; the gate and the product with it; the normed heads.
  return (input_projections(config, own) - 1.0 - 2.0 * kv_share(config)) * dim +
         (own.output_gate == OutputGate::none ? 0.0 : 2 * dim) + (attention.wants_norm() ? dim : 0.0) +
         HeadInputs::saved_numbers(own, dim);
}

/// What the attentions of a stack's layers cost.
struct StackCost {
  double mean = 0;  ///< of a layer
  double most = 0;  ///< of the dearest layer
};

/// `cost` of the attention of each layer at a place.
template <class Cost>
StackCost stack_cost(const ModelConfig& config, AttentionPlace place, Cost&& cost) {
  const std::int64_t period =
      std::min(attention_period(config.attention, place), std::max<std::int64_t>(config.num_layers, 1));
  StackCost all;
  double sum = 0;
  for (std::int64_t layer = 0; layer < period; ++layer) {
    const double own = cost(*attention_of(config, place, layer), attention_of_layer(config, place, layer));
    const std::int64_t layers = (config.num_layers - layer + period - 1) / period;
    sum += own * static_cast<double>(layers);
    all.most = std::max(all.most, own);
    all.mean = own;
  }
  // The sum over equal layers has other bits than their number times one.
  if (period > 1) all.mean = sum / static_cast<double>(config.num_layers);
  return all;
}

/// Operations of a decoder's input and output a token, beside its layers.
double vocabulary_flops(const ModelConfig& config) {
  const auto dim = static_cast<double>(config.embed_dim);
  if (config.adaptive_cutoffs.empty()) return 2.0 * dim * static_cast<double>(config.vocab_size);
  const std::vector<BandSize> bands = adaptive_bands(config);
  double flops = 2.0 * dim * static_cast<double>(bands.size() - 1);
  for (std::size_t i = 0; i < bands.size(); ++i) {
    const auto tokens = static_cast<double>(bands[i].tokens), width = static_cast<double>(bands[i].width);
    const double share = band_share(bands, i);
    flops += share * 2.0 * dim * width + (i == 0 ? 2.0 * dim * tokens : share * 2.0 * width * (dim + tokens));
  }
  return flops;
}

/// A matrix of scores that a decoder's loss works with.
struct ScoreMatrix {
  double columns = 0;  ///< words, and clusters
  double share = 1;    ///< of the tokens, that it scores
};

std::vector<ScoreMatrix> score_matrices(const ModelConfig& config) {
  if (config.adaptive_cutoffs.empty()) return {{static_cast<double>(config.vocab_size), 1}};
  const std::vector<BandSize> bands = adaptive_bands(config);
  std::vector<ScoreMatrix> matrices = {{static_cast<double>(bands[0].tokens) + static_cast<double>(bands.size() - 1), 1}};
  for (std::size_t i = 1; i < bands.size(); ++i) {
    matrices.push_back({static_cast<double>(bands[i].tokens), band_share(bands, i)});
  }
  return matrices;
}

}  // namespace

std::vector<ParameterGroup> parameter_groups(const std::vector<Parameter>& parameters) {
  std::vector<ParameterGroup> groups;
  std::unordered_map<std::string, std::size_t> places;
  for (const Parameter& parameter : parameters) {
    const std::string name = group_of(parameter.name);
    const auto [place, is_new] = places.emplace(name, groups.size());
    if (is_new) groups.push_back({name, 0});
    groups[place->second].elements += parameter.variable.value().size();
  }
  return groups;
}

double forward_flops_per_token(const ModelConfig& config, std::int64_t seq_len) {
  const auto dim = static_cast<double>(config.embed_dim), ffn = static_cast<double>(config.ffn_dim);
  // Of an attention and the linear layers around it.
  const auto attention_flops = [&](AttentionPlace place) {
    return stack_cost(config, place,
                      [&](const Attention& attention, const AttentionConfig& own) {
                        return projection_flops(config, own) +
                               attention.forward_flops(seq_len, seq_len, place == AttentionPlace::decoder_self) *
                                   static_cast<double>(config.num_heads) / static_cast<double>(seq_len);
                      })
        .mean;
  };
  const double feed_forward = 2.0 * (config.ffn_kind == FeedForwardKind::mlp ? 2.0 : 3.0) * dim * ffn;
  const auto layers = static_cast<double>(config.num_layers);
  double flops = 0;
  if (config.kind != ModelKind::decoder) flops += layers * (feed_forward + attention_flops(AttentionPlace::encoder));
  if (config.kind != ModelKind::encoder) {
    flops += layers * (feed_forward + attention_flops(AttentionPlace::decoder_self)) + vocabulary_flops(config);
  }
  if (config.kind == ModelKind::encoder_decoder) flops += layers * attention_flops(AttentionPlace::cross);
  if (config.lm_head) flops += kMaskedShare * 2.0 * dim * (dim + static_cast<double>(config.vocab_size));
  return flops;
}

MemoryEstimate estimate_memory(const ModelConfig& config, std::int64_t elements, std::int64_t moments, const GraphLoad& load,
                               std::int64_t frozen) {
  constexpr std::int64_t kFloatBytes = 4;
  const std::int64_t seq_len = load.seq_len;
  const double tokens = static_cast<double>(load.rows * seq_len);
  const auto dim = static_cast<double>(config.embed_dim), ffn = static_cast<double>(config.ffn_dim);
  const auto layers = static_cast<double>(config.num_layers);
  double by_thread = 0;
  // Query, key, value and output with tokens before the window, and copies of them without.
  const auto numbers_beside = [&](const Attention& attention) {
    const std::int64_t beside = attention.carried() ? attention.carried()->tokens_beside(seq_len) : 0;
    return beside == 0 ? 0.0 : 4 * dim * (1 + static_cast<double>(beside) / static_cast<double>(seq_len));
  };
  const auto attention_of_place = [&](AttentionPlace place) {
    const bool causal = place == AttentionPlace::decoder_self;
    return stack_cost(config, place, [&](const Attention& attention, const AttentionConfig& own) {
      by_thread = std::max(by_thread, attention.working_numbers(seq_len, seq_len, causal));
      return attention.saved_numbers(seq_len, seq_len, causal) * static_cast<double>(config.num_heads) /
                 static_cast<double>(seq_len) +
             numbers_around(config, own, attention) + (load.carries ? numbers_beside(attention) : 0);
    });
  };
  const StackCost attention =
      attention_of_place(config.kind == ModelKind::encoder ? AttentionPlace::encoder : AttentionPlace::decoder_self);

  // Numbers kept for the backward pass, a token. A layer: input and output of its two norms; query, key, value and the
  // attention's output; the feed-forward layer before and after its activation. Fused blocks keep neither the norms' outputs
  // nor what comes after the activation. Attention to an encoder: a norm and an attention.
  const bool fused = uses_fused_blocks(config);
  // A gated unit has two layers before its product.
  const double inner = config.ffn_kind == FeedForwardKind::mlp ? 2 * ffn : 3 * ffn;
  const double layer = fused ? 6 * dim + ffn : 8 * dim + inner;
  double saved = 0, dearest = 0;
  const double ends = (config.embedding_norm ? 3 : 2) * dim;
  const auto add_layers = [&](double numbers, double most) {
    saved += layers * (load.recompute_layers ? dim : numbers) + ends;
    dearest = std::max(dearest, most);
  };
  if (config.kind != ModelKind::decoder) {
    const StackCost own = attention_of_place(AttentionPlace::encoder);
    add_layers(layer + own.mean, layer + own.most);
  }
  if (config.kind != ModelKind::encoder) {
    StackCost own{layer + attention.mean, layer + attention.most};
    if (config.kind == ModelKind::encoder_decoder) {
      const StackCost cross = attention_of_place(AttentionPlace::cross);
      own = {own.mean + 6 * dim + cross.mean, own.most + 6 * dim + cross.most};
    }
    add_layers(own.mean, own.most);
  }

  // What the most demanding operation of the backward pass works with while all that is kept: the loss with its tile of
  // logits, or the last layer.
  constexpr double kLogitTileNumbers = 4.0 * 1024 * 1024, kLeastTileRows = 128;  // those of linear_cross_entropy
  const double predicted = config.kind != ModelKind::encoder ? tokens : config.lm_head ? kMaskedShare * tokens : 0;
  // One tile after the other, but of unlike sizes: the block of one does not serve the next and is kept for the next step.
  double tile = 0;
  for (const auto& [columns, share] : score_matrices(config)) {
    tile += std::min(std::max(kLogitTileNumbers, kLeastTileRows * columns), share * predicted * columns);
  }
  const double loss = tile + predicted * dim;
  const double block =
      fused ? std::max(2 * dim, 5 * dim + attention.most - ffn) : std::max(dim + inner, 4 * dim + attention.most - inner);
  const auto threads = static_cast<double>(std::min(load.threads, load.rows * config.num_heads));
  // What is computed again is there for one layer at a time.
  const double again = load.recompute_layers ? dearest : 0;
  double working = std::max(loss, tokens * (block + again) + threads * by_thread);
  if (load.part_tokens > 0) {
    // Parts pass through a layer one for each thread. Between its halves stand, for all of them, the gradients of query, key
    // and value (without causality those of keys and values come later) and of the layer's input and output; and query, key,
    // value and what they are projections of, if they are not among what is kept.
    const double part = static_cast<double>(load.rows * std::min(load.part_tokens, seq_len));
    const double gradients = config.kind == ModelKind::encoder ? 3 : 5, heads = fused ? 3 : 4;
    working = tokens * (gradients + (load.recompute_layers ? heads : 0)) * dim +
              static_cast<double>(load.threads) * (part * (block + again) + by_thread);
  }

  MemoryEstimate estimate;
  estimate.parameters = elements * kFloatBytes;
  estimate.gradients = (elements - frozen) * kFloatBytes * load.gradient_sets;
  estimate.optimizer = (elements - frozen) * kFloatBytes * moments;
  // No machine holds so much, and the sum of the parts still fits 64 bits.
  constexpr double kMost = 1e18;
  const double activations = (tokens * saved + working) * kFloatBytes * static_cast<double>(load.at_once);
  estimate.activations = static_cast<std::int64_t>(std::min(activations, kMost));
  return estimate;
}

}  // namespace cosformer
