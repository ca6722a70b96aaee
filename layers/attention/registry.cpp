#include "layers/attention/registry.h"

#include <utility>
#include <vector>

#include "core/named_table.h"
#include "layers/attention/reweighting_length.h"
#include "layers/attention/synthesizer.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

AttentionSupport everything(const AttentionConfig&) { return {}; }
AttentionSupport everything_and_distances(const AttentionConfig&) { return {.distances = true}; }
AttentionSupport local_support(const AttentionConfig&) {
  return {.causal_parts = true, .other_parts = true, .distances = true};
}
AttentionSupport never_causal(const AttentionConfig&) { return {.causal = false, .steps = false}; }
AttentionSupport only_encoders(const AttentionConfig&) { return {.causal = false, .cross = false, .steps = false}; }
AttentionSupport only_causal(const AttentionConfig&) { return {.not_causal = false, .cross = false}; }
AttentionSupport not_cross(const AttentionConfig&) { return {.cross = false}; }
AttentionSupport shared_keys(const AttentionConfig&) { return {.cross = false, .projects_key = false}; }
AttentionSupport synthesizer_support(const AttentionConfig& config) {
  const bool reads = find_named(synthesizer_forms(), config.synthesizer, "attention.synthesizer").reads_query();
  return {.cross = false, .projects_query = reads, .projects_key = false};
}

/// A re-weighting without a linear form is causal only. Parts of a text have one form, and no L1 norm, which is no sum.
AttentionSupport linear_support(const AttentionConfig& config) {
  const bool both = find_named(reweightings(), config.reweighting, "attention.reweighting").linear_form;
  const auto form = find_named(linear_attention_forms(), config.form, "attention.form").value;
  const bool sums = find_named(attention_normalizations(), config.normalization, "attention.normalization").value !=
                    AttentionNormalization::l1;
  const auto allows = [&](LinearAttentionForm own) {
    return sums && (form == LinearAttentionForm::automatic || form == own);
  };
  return {.not_causal = both,
          .cross = both,
          .causal_parts = allows(LinearAttentionForm::chunked),
          .other_parts = both && allows(LinearAttentionForm::linear)};
}

/// Linear attention of one feature map and re-weighting.
AttentionConfig linear_of(AttentionConfig config, const char* feature_map, const char* reweighting) {
  config.feature_map = feature_map;
  config.reweighting = reweighting;
  return config;
}

/// cosFormer is linear attention with its own feature map and re-weighting (Qin et al., 2022, eq. 10).
AttentionConfig cosformer_preset(AttentionConfig config) { return linear_of(std::move(config), "relu", "cos"); }

/// Linear attention with learned features (Zhang et al., The Hedgehog & the Porcupine, ICLR 2024).
AttentionConfig hedgehog_preset(AttentionConfig config) { return linear_of(std::move(config), "hedgehog", "none"); }

/// TransNormer's NormAttention: elu + 1, normed heads and no denominator (Qin et al., EMNLP 2022, section 4.1, T2).
AttentionConfig transnormer_preset(AttentionConfig config) {
  config.normalization = "rms";
  return linear_of(std::move(config), "elu", "none");
}

/// Linear attention with options that a kind decides itself.
template <AttentionConfig (*Preset)(AttentionConfig)>
AttentionSupport preset_support(const AttentionConfig& config) {
  return linear_support(Preset(config));
}

template <AttentionConfig (*Preset)(AttentionConfig)>
std::unique_ptr<Attention> make_preset(const AttentionConfig& config, const AttentionSetting& setting) {
  return make_linear_attention(Preset(config), setting);
}

/// A gate forgets what came before, so that there has to be a before.
AttentionSupport rfa_support(const AttentionConfig& config) {
  return {.not_causal = !config.recency_gate, .cross = !config.recency_gate};
}

constexpr AttentionKind kKinds[] = {
    {"cosformer", "linear attention with feature_map = relu and reweighting = cos", preset_support<cosformer_preset>,
     make_preset<cosformer_preset>, cosformer_preset},
    {"linear", "linear attention with any feature_map and reweighting", linear_support, make_linear_attention},
    {"softmax", "scaled dot-product attention in tiles, memory linear in the length", everything_and_distances,
     make_softmax_attention},
    {"softmax_materialized", "the same with the whole matrix stored", everything_and_distances,
     make_materialized_softmax_attention},
    {"local", "softmax over the keys within `window` positions", local_support, make_local_attention},
    {"diagonal", "softmax within blocks of `diagonal_block` positions, each of which sees itself alone", everything,
     make_diagonal},
    {"linformer", "softmax over a text projected to `projected_length` positions, not causal", never_causal, make_linformer},
    {"gated", "linear attention that forgets by a learned gate of each head and channel, causal", only_causal,
     make_gated_linear_attention},
    {"longformer", "softmax over a window and the first tokens, which all see and which see all", everything,
     make_longformer},
    {"bigbird", "softmax over blocks nearby, the first blocks, and random ones", everything, make_bigbird},
    {"sparse", "softmax over a block or window and some keys of the rest of the text", everything, make_sparse},
    {"reformer", "softmax over tokens with the same hash, queries serve as keys", shared_keys, make_reformer},
    {"sinkhorn", "softmax over the own block and one that a learned sorting puts beside it", not_cross, make_sinkhorn},
    {"synthesizer", "softmax of scores that come from each token or its position alone", synthesizer_support,
     make_synthesizer},
    {"nystrom", "softmax through `num_landmarks` means of a text's segments, not causal, within one text", only_encoders,
     make_nystrom},
    {"rfa", "linear attention between random features of directions, `feature_kind`, with a `recency_gate` causal",
     rfa_support, make_rfa},
    {"cosformer2", "linear attention with silu, a learned cosine for each channel, and normed heads", everything,
     make_cosformer2},
    {"delta", "a state that is corrected towards each token's value, by the delta rule, causal", only_causal,
     make_delta_attention},
    {"gated_delta", "the delta rule on a state that forgets by a learned decay of each head, causal", only_causal,
     make_gated_delta_attention},
    {"transnormer", "linear attention with elu + 1 and normed heads, nothing that it is divided by",
     preset_support<transnormer_preset>, make_preset<transnormer_preset>, transnormer_preset},
    {"hedgehog", "linear attention with a learned feature_map that can come near softmax", preset_support<hedgehog_preset>,
     make_preset<hedgehog_preset>, hedgehog_preset},
};

/// A place of a model, the key that names its kind there, and what is wrong with one that does not support it.
struct Place {
  AttentionPlace place;
  const char* key;
  const char* lack;
  bool AttentionSupport::*needs;
};
constexpr Place kPlaces[] = {
    {AttentionPlace::encoder, "attention.encoder", "is causal only, and an encoder's attention is not",
     &AttentionSupport::not_causal},
    {AttentionPlace::decoder_self, "attention.self", "is not causal, and a decoder's attention to itself is",
     &AttentionSupport::causal},
    {AttentionPlace::cross, "attention.cross",
     "sees no other text than the queries', and a decoder's attention to an encoder does", &AttentionSupport::cross},
};

/// A form of linear attention that the normaliser does not have.
std::optional<OptionProblem> find_form_problem(const AttentionConfig& config) {
  const auto normalization = find_named(attention_normalizations(), config.normalization, "attention.normalization").value;
  if (has_form(normalization, find_named(linear_attention_forms(), config.form, "attention.form").value))
    return std::nullopt;
  std::string forms;
  for (const auto& [name, form] : linear_attention_forms()) {
    if (has_form(normalization, form)) forms += concat(forms.empty() ? "\"" : " or \"", name, '"');
  }
  return OptionProblem{"attention.form", concat("attention.form must be ", forms, " with attention.normalization = \"",
                                                config.normalization, "\", not \"", config.form, '"')};
}

/// What queries and keys cannot go through before they meet.
std::optional<OptionProblem> find_head_problem(const ModelConfig& config) {
  if (config.attention.short_convolution > 0 && config.kind == ModelKind::encoder) {
    return OptionProblem{"attention.short_convolution",
                         "attention.short_convolution is causal, and an encoder's attention is not"};
  }
  const std::int64_t head_dim = config.embed_dim / config.num_heads;
  if (config.positions == Positions::rope && head_dim % 2 != 0) {
    return OptionProblem{"model.positions",
                         concat("model.positions = \"rope\" turns pairs of channels, and model.embed_dim / "
                                "model.num_heads is ",
                                head_dim)};
  }
  if (config.num_kv_heads > 0 && config.num_heads % config.num_kv_heads != 0) {
    return OptionProblem{"model.num_kv_heads", concat("model.num_kv_heads (", config.num_kv_heads,
                                                      ") must divide model.num_heads (", config.num_heads, ")")};
  }
  return std::nullopt;
}

bool has_place(ModelKind kind, AttentionPlace place) {
  if (kind == ModelKind::encoder_decoder) return true;
  return place == (kind == ModelKind::encoder ? AttentionPlace::encoder : AttentionPlace::decoder_self);
}

/// The kind that a place of its own is given; "auto" if it has that of all.
const std::string& kind_of_place(const AttentionConfig& config, AttentionPlace place) {
  return place == AttentionPlace::encoder ? config.encoder : place == AttentionPlace::cross ? config.cross : config.self;
}

/// The key that names the kind at a place.
const char* key_at(const AttentionConfig& config, const Place& place) {
  if (kind_of_place(config, place.place) != "auto") return place.key;
  return place.place == AttentionPlace::cross || config.layers.empty() ? "attention.kind" : "attention.layers";
}

std::optional<OptionProblem> problem_at(const ModelConfig& model, const Place& place, std::int64_t layer) {
  const AttentionConfig own = attention_at(model.attention, place.place, layer);
  const AttentionKind& kind = find_attention_kind(own.kind);
  if (kind.supports(own).*place.needs) return std::nullopt;
  AttentionConfig plain = own;
  plain.reweighting = "none";
  if (kind.supports(plain).*place.needs) {
    return OptionProblem{"attention.reweighting", concat("attention.reweighting = \"", own.reweighting, "\" ", place.lack)};
  }
  plain.recency_gate = false;
  if (kind.supports(plain).*place.needs) {
    return OptionProblem{"attention.recency_gate", concat("attention.recency_gate = true ", place.lack)};
  }
  const char* key = key_at(model.attention, place);
  return OptionProblem{key, concat(key, " = \"", own.kind, "\" ", place.lack)};
}

/// Positions that a kind of attention to a text's own tokens cannot show.
std::optional<OptionProblem> find_position_problem(const ModelConfig& model, const Place& place, std::int64_t layer) {
  if (model.positions != Positions::alibi || place.place == AttentionPlace::cross) return std::nullopt;
  const AttentionConfig own = attention_at(model.attention, place.place, layer);
  if (find_attention_kind(own.kind).supports(own).distances) return std::nullopt;
  return OptionProblem{"model.positions", concat("model.positions = \"alibi\" lowers scores of softmax by their distance, "
                                                 "and ",
                                                 key_at(model.attention, place), " = \"", own.kind, "\" does not take it")};
}

}  // namespace

std::span<const AttentionKind> attention_kinds() { return kKinds; }

const AttentionKind& find_attention_kind(const std::string& name) { return find_named(kKinds, name, "attention.kind"); }

std::unique_ptr<Attention> make_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  return find_attention_kind(config.kind).make(config, setting);
}

AttentionConfig attention_at(const AttentionConfig& config, AttentionPlace place, std::int64_t layer) {
  AttentionConfig own = with_length_at(config, place);
  own.layers.clear();
  const std::string& kind = kind_of_place(config, place);
  if (kind != "auto") {
    own.kind = kind;
  } else if (place != AttentionPlace::cross && !config.layers.empty()) {
    own.kind = config.layers[static_cast<std::size_t>(layer) % config.layers.size()];
  }
  return own;
}

AttentionConfig attention_of_layer(const ModelConfig& config, AttentionPlace place, std::int64_t layer) {
  AttentionConfig own = attention_at(config.attention, place, layer);
  if (place != AttentionPlace::decoder_self) own.short_convolution = 0;
  own.rotary = config.positions == Positions::rope && place != AttentionPlace::cross;
  own.alibi = config.positions == Positions::alibi && place != AttentionPlace::cross;
  own.rotary_base = config.rope_theta;
  own.bias = config.bias;
  own.kv_heads = config.num_kv_heads == config.num_heads ? 0 : config.num_kv_heads;
  return own;
}

std::int64_t attention_period(const AttentionConfig& config, AttentionPlace place) {
  if (place == AttentionPlace::cross || kind_of_place(config, place) != "auto" || config.layers.empty()) return 1;
  return static_cast<std::int64_t>(config.layers.size());
}

std::string attention_title(const AttentionConfig& config) {
  if (config.layers.empty()) return config.kind;
  std::string title;
  for (const std::string& kind : config.layers) title += concat(title.empty() ? "[" : ", ", kind);
  return title + ']';
}

std::vector<std::string> overruled_options(const ModelConfig& config) {
  struct Option {
    const char* key;
    std::string AttentionConfig::*value;
  };
  constexpr Option kOptions[] = {{"attention.feature_map", &AttentionConfig::feature_map},
                                 {"attention.reweighting", &AttentionConfig::reweighting}};
  const AttentionConfig defaults;
  std::vector<std::string> lines;
  for (const Place& place : kPlaces) {
    if (!has_place(config.kind, place.place)) continue;
    for (std::int64_t layer = 0; layer < attention_period(config.attention, place.place); ++layer) {
      const AttentionConfig own = attention_at(config.attention, place.place, layer);
      const AttentionKind& kind = find_attention_kind(own.kind);
      if (kind.preset == nullptr) continue;
      const AttentionConfig preset = kind.preset(own);
      for (const auto& [key, value] : kOptions) {
        if (own.*value == preset.*value || own.*value == defaults.*value) continue;
        std::string line = concat(key, " = \"", own.*value, "\" has no effect: attention.kind = \"", own.kind, "\" takes \"",
                                  preset.*value, "\"; kind = \"linear\" takes any");
        if (std::ranges::find(lines, line) == lines.end()) lines.push_back(std::move(line));
      }
    }
  }
  return lines;
}

std::optional<OptionProblem> find_attention_problem(const ModelConfig& config) {
  const AttentionConfig& attention = config.attention;
  if (auto problem = find_form_problem(attention)) return problem;
  if (auto problem = find_head_problem(config)) return problem;
  if (static_cast<std::int64_t>(attention.layers.size()) > std::max<std::int64_t>(config.num_layers, 1)) {
    return OptionProblem{"attention.layers", concat("attention.layers names ", attention.layers.size(),
                                                    " layers, and model.num_layers is ", config.num_layers)};
  }
  for (const Place& place : kPlaces) {
    if (!has_place(config.kind, place.place)) continue;
    for (std::int64_t layer = 0; layer < attention_period(attention, place.place); ++layer) {
      if (auto problem = problem_at(config, place, layer)) return problem;
      if (auto problem = find_position_problem(config, place, layer)) return problem;
    }
  }
  return std::nullopt;
}

}  // namespace cosformer
