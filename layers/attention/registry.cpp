#include "layers/attention/registry.h"

#include <utility>
#include <vector>

#include "core/named_table.h"
#include "layers/attention/feature_map.h"
#include "layers/attention/reweighting_length.h"
#include "layers/attention/synthesizer.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

AttentionSupport everything(const AttentionConfig&) { return {}; }
AttentionSupport softmax_support(const AttentionConfig&) { return {.carries = true, .distances = true}; }
AttentionSupport local_support(const AttentionConfig&) {
  return {.causal_parts = true, .other_parts = true, .carries = true, .distances = true};
}
AttentionSupport bigbird_support(const AttentionConfig& config) { return {.draws = config.bigbird_random_blocks > 0}; }
AttentionSupport linformer_support(const AttentionConfig&) { return {.causal = false, .steps = false, .bounded = true}; }
AttentionSupport nystrom_support(const AttentionConfig&) {
  return {.causal = false, .cross = false, .steps = false, .has_weights = false};
}
AttentionSupport recurrent_support(const AttentionConfig&) {
  return {.not_causal = false, .cross = false, .carries = true, .has_weights = false, .norms = true};
}
AttentionSupport sinkhorn_support(const AttentionConfig&) { return {.cross = false, .bounded = true}; }
AttentionSupport reformer_support(const AttentionConfig&) { return {.cross = false, .projects_key = false, .draws = true}; }
AttentionSupport synthesizer_support(const AttentionConfig& config) {
  const bool reads = find_named(synthesizer_forms(), config.synthesizer, "attention.synthesizer").reads_query();
  return {.cross = false, .projects_query = reads, .projects_key = false, .bounded = true};
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
  const bool draws = find_feature_map(config.feature_map).projection == FeatureProjection::random;
  return {.not_causal = both,
          .cross = both,
          .causal_parts = allows(LinearAttentionForm::chunked),
          .other_parts = both && allows(LinearAttentionForm::linear),
          // A state of other directions than the queries' says nothing.
          .carries = allows(LinearAttentionForm::chunked) && (config.redraw_every == 0 || !draws),
          .has_weights = false,
          .forms = true,
          .norms = true,
          .draws = draws};
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
  return {.not_causal = !config.recency_gate,
          .cross = !config.recency_gate,
          .carries = config.redraw_every == 0,
          .has_weights = false,
          .draws = true};
}

/// Windows that are carried on have one form.
AttentionSupport cosformer2_support(const AttentionConfig& config) {
  const auto form = find_named(linear_attention_forms(), config.form, "attention.form").value;
  return {.carries = form == LinearAttentionForm::automatic || form == LinearAttentionForm::chunked,
          .has_weights = false,
          .forms = true,
          .norms = true};
}

constexpr AttentionKind kKinds[] = {
    {"cosformer", "linear attention with feature_map = relu and reweighting = cos", preset_support<cosformer_preset>,
     make_preset<cosformer_preset>, cosformer_preset, AttentionFormula::linear},
    {"linear", "linear attention with any feature_map and reweighting", linear_support, make_linear_attention, nullptr,
     AttentionFormula::linear},
    {"softmax", "scaled dot-product attention in tiles, memory linear in the length", softmax_support,
     make_softmax_attention, nullptr, AttentionFormula::softmax},
    {"softmax_materialized", "the same with the whole matrix stored", softmax_support, make_materialized_softmax_attention,
     nullptr, AttentionFormula::softmax},
    {"local", "softmax over the keys within `window` positions", local_support, make_local_attention, nullptr,
     AttentionFormula::window},
    {"diagonal", "softmax within blocks of `diagonal_block` positions, each of which sees itself alone", everything,
     make_diagonal},
    {"linformer", "softmax over a text projected to `projected_length` positions, not causal", linformer_support,
     make_linformer},
    {"gated", "linear attention that forgets by a learned gate of each head and channel, causal", recurrent_support,
     make_gated_linear_attention},
    {"longformer", "softmax over a window and the first tokens, which all see and which see all", everything,
     make_longformer},
    {"bigbird", "softmax over blocks nearby, the first blocks, and random ones", bigbird_support, make_bigbird},
    {"sparse", "softmax over a block or window and some keys of the rest of the text", everything, make_sparse},
    {"reformer", "softmax over tokens with the same hash, queries serve as keys", reformer_support, make_reformer},
    {"sinkhorn", "softmax over the own block and one that a learned sorting puts beside it", sinkhorn_support,
     make_sinkhorn},
    {"synthesizer", "softmax of scores that come from each token or its position alone", synthesizer_support,
     make_synthesizer},
    {"nystrom", "softmax through `num_landmarks` means of a text's segments, not causal, within one text", nystrom_support,
     make_nystrom},
    {"rfa", "linear attention between random features of directions, `feature_kind`, with a `recency_gate` causal",
     rfa_support, make_rfa},
    {"cosformer2", "linear attention with silu, a learned cosine for each channel, and normed heads", cosformer2_support,
     make_cosformer2},
    {"delta", "a state that is corrected towards each token's value, by the delta rule, causal", recurrent_support,
     make_delta_attention},
    {"gated_delta", "the delta rule on a state that forgets by a learned decay of each head, causal", recurrent_support,
     make_gated_delta_attention},
    {"transnormer", "linear attention with elu + 1 and normed heads, nothing that it is divided by",
     preset_support<transnormer_preset>, make_preset<transnormer_preset>, transnormer_preset, AttentionFormula::linear},
    {"hedgehog", "linear attention with a learned feature_map that can come near softmax", preset_support<hedgehog_preset>,
     make_preset<hedgehog_preset>, hedgehog_preset, AttentionFormula::linear},
};

}  // namespace

std::span<const AttentionKind> attention_kinds() { return kKinds; }

const AttentionKind& find_attention_kind(const std::string& name) { return find_named(kKinds, name, "attention.kind"); }

std::unique_ptr<Attention> make_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  AttentionSetting own = setting;
  if (config.seed != kSeedOfModel) own.seed = static_cast<std::uint64_t>(config.seed);
  return find_attention_kind(config.kind).make(config, own);
}

const std::string& kind_of_place(const AttentionConfig& config, AttentionPlace place) {
  return place == AttentionPlace::encoder ? config.encoder : place == AttentionPlace::cross ? config.cross : config.self;
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
  if (own.dropout > 0 && !find_attention_kind(own.kind).supports(own).has_weights && has_attention_weights(config))
    own.dropout = 0;
  return own;
}

std::int64_t attention_period(const AttentionConfig& config, AttentionPlace place) {
  if (place == AttentionPlace::cross || kind_of_place(config, place) != "auto" || config.layers.empty()) return 1;
  return static_cast<std::int64_t>(config.layers.size());
}

std::string kinds_with(bool AttentionSupport::*support) {
  std::vector<std::string> names;
  for (const AttentionKind& kind : kKinds) {
    if (kind.supports({}).*support) names.push_back(concat('"', kind.name, '"'));
  }
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i)
    list += concat(i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  return list;
}

std::string attention_title(const AttentionConfig& config) {
  if (config.layers.empty()) return config.kind;
  std::string title;
  for (const std::string& kind : config.layers) title += concat(title.empty() ? "[" : ", ", kind);
  return title + ']';
}

}  // namespace cosformer
