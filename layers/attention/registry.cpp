#include "layers/attention/registry.h"

#include <utility>
#include <vector>

#include "core/named_table.h"
#include "layers/attention/reweighting_length.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

AttentionSupport everything(const AttentionConfig&) { return {}; }
AttentionSupport never_causal(const AttentionConfig&) { return {.causal = false, .steps = false}; }
AttentionSupport only_causal(const AttentionConfig&) { return {.not_causal = false, .cross = false}; }

/// cosFormer is linear attention with its own feature map and re-weighting (Qin et al., 2022, eq. 10).
AttentionConfig cosformer_preset(AttentionConfig config) {
  config.feature_map = "relu";
  config.reweighting = "cos";
  return config;
}

std::unique_ptr<Attention> make_cosformer(const AttentionConfig& config, const AttentionSetting& setting) {
  return make_linear_attention(cosformer_preset(config), setting);
}

/// A re-weighting without a linear form is causal only.
AttentionSupport linear_support(const AttentionConfig& config) {
  const bool both = find_named(reweightings(), config.reweighting, "attention.reweighting").linear_form;
  return {.not_causal = both, .cross = both};
}

constexpr AttentionKind kKinds[] = {
    {"cosformer", "linear attention with feature_map = relu and reweighting = cos", everything, make_cosformer,
     cosformer_preset},
    {"linear", "linear attention with any feature_map and reweighting", linear_support, make_linear_attention},
    {"softmax", "scaled dot-product attention in tiles, memory linear in the length", everything, make_softmax_attention},
    {"softmax_materialized", "the same with the whole matrix stored", everything, make_materialized_softmax_attention},
    {"local", "softmax over the keys within `window` positions", everything, make_local_attention},
    {"linformer", "softmax over a text projected to `projected_length` positions, not causal", never_causal, make_linformer},
    {"gated", "linear attention that forgets by a learned gate of each head and channel, causal", only_causal,
     make_gated_linear_attention},
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

bool has_place(ModelKind kind, AttentionPlace place) {
  if (kind == ModelKind::encoder_decoder) return true;
  return place == (kind == ModelKind::encoder ? AttentionPlace::encoder : AttentionPlace::decoder_self);
}

std::optional<OptionProblem> problem_at(const ModelConfig& model, const Place& place) {
  const AttentionConfig own = attention_at(model.attention, place.place);
  const AttentionKind& kind = find_attention_kind(own.kind);
  if (kind.supports(own).*place.needs) return std::nullopt;
  AttentionConfig plain = own;
  plain.reweighting = "none";
  if (kind.supports(plain).*place.needs) {
    return OptionProblem{"attention.reweighting", concat("attention.reweighting = \"", own.reweighting, "\" ", place.lack)};
  }
  const bool named_here = own.kind != model.attention.kind;
  return OptionProblem{named_here ? place.key : "attention.kind",
                       concat(named_here ? place.key : "attention.kind", " = \"", own.kind, "\" ", place.lack)};
}

}  // namespace

std::span<const AttentionKind> attention_kinds() { return kKinds; }

const AttentionKind& find_attention_kind(const std::string& name) { return find_named(kKinds, name, "attention.kind"); }

std::unique_ptr<Attention> make_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  return find_attention_kind(config.kind).make(config, setting);
}

AttentionConfig attention_at(const AttentionConfig& config, AttentionPlace place) {
  AttentionConfig own = with_length_at(config, place);
  const std::string& kind = place == AttentionPlace::encoder ? config.encoder
                            : place == AttentionPlace::cross ? config.cross
                                                             : config.self;
  if (kind != "auto") own.kind = kind;
  return own;
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
    const AttentionConfig own = attention_at(config.attention, place.place);
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
  return lines;
}

std::optional<OptionProblem> find_attention_problem(const ModelConfig& config) {
  const AttentionConfig& attention = config.attention;
  if (auto problem = find_form_problem(attention)) return problem;
  for (const Place& place : kPlaces) {
    if (!has_place(config.kind, place.place)) continue;
    if (auto problem = problem_at(config, place)) return problem;
  }
  return std::nullopt;
}

}  // namespace cosformer
