#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/named_table.h"
#include "layers/attention/carried_attention.h"
#include "layers/attention/registry.h"

namespace cosformer {

namespace {

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
constexpr Place kCarried = {AttentionPlace::decoder_self, "attention.self",
                            "hands on nothing from one training window to the next, as the config has it",
                            &AttentionSupport::carries};
/// Texts share rows of decoders alone.
constexpr Place kPacked = {AttentionPlace::decoder_self, "attention.self", "does not keep texts apart that share a row",
                           &AttentionSupport::padding};

/// A form of linear attention that the normaliser does not have, or a place.
std::optional<OptionProblem> find_form_problem(const ModelConfig& model, const Place& place, std::int64_t layer) {
  const AttentionConfig config = options_of_kind(attention_at(model.attention, place.place, layer));
  const AttentionKind& kind = find_attention_kind(config.kind);
  if (!kind.supports(config).forms) return std::nullopt;
  const auto form = find_named(linear_attention_forms(), config.form, "attention.form").value;
  const bool causal = place.place == AttentionPlace::decoder_self;
  if (causal && form == LinearAttentionForm::linear) {
    return OptionProblem{"attention.form",
                         "attention.form = \"linear\" is not causal, and a decoder's attention to itself "
                         "is; \"chunked\" is its causal form"};
  }
  if (!causal && (form == LinearAttentionForm::chunked || form == LinearAttentionForm::recurrent)) {
    return OptionProblem{"attention.form", concat("attention.form = \"", config.form, "\" is causal only, and ",
                                                  place.place == AttentionPlace::encoder ? "an encoder's attention"
                                                                                         : "attention to an encoder",
                                                  " is not; \"auto\" takes the form that fits each place")};
  }
  if (kind.formula != AttentionFormula::linear) return std::nullopt;
  const auto normalization = find_named(attention_normalizations(), config.normalization, "attention.normalization").value;
  if (has_form(normalization, form)) return std::nullopt;
  std::string forms;
  for (const auto& [name, other] : linear_attention_forms()) {
    if (has_form(normalization, other)) forms += concat(forms.empty() ? "\"" : " or \"", name, '"');
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

/// An attention of a model: its place, and its layer in that place's stack.
struct PlacedAttention {
  const Place& place;
  std::int64_t layer;
};

/// All that may differ; further layers repeat them.
std::vector<PlacedAttention> attentions_in(const ModelConfig& config) {
  std::vector<PlacedAttention> all;
  for (const Place& place : kPlaces) {
    if (!has_place(config.kind, place.place)) continue;
    for (std::int64_t layer = 0; layer < attention_period(config.attention, place.place); ++layer)
      all.push_back({place, layer});
  }
  return all;
}

bool supports_anywhere(const ModelConfig& config, bool AttentionSupport::*support) {
  return std::ranges::any_of(attentions_in(config), [&](const PlacedAttention& placed) {
    const AttentionConfig own = attention_at(config.attention, placed.place.place, placed.layer);
    return find_attention_kind(own.kind).supports(own).*support;
  });
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

AttentionConfig options_of_kind(AttentionConfig config) {
  const AttentionKind& kind = find_attention_kind(config.kind);
  return kind.preset == nullptr ? config : kind.preset(std::move(config));
}

std::vector<std::string> overruled_options(const ModelConfig& config) {
  struct Option {
    const char* key;
    std::string AttentionConfig::*value;
    /// Whether a kind that is not of the linear formula takes a value that is not the default.
    bool (*takes)(const AttentionSupport& support, const std::string& value);
    const char* remedy;
  };
  constexpr auto kNever = [](const AttentionSupport&, const std::string&) { return false; };
  constexpr const char* kLinear = "; kind = \"linear\" takes any";
  constexpr Option kOptions[] = {
      {"attention.feature_map", &AttentionConfig::feature_map, kNever, kLinear},
      {"attention.reweighting", &AttentionConfig::reweighting, kNever, kLinear},
      {"attention.normalization", &AttentionConfig::normalization,
       [](const AttentionSupport& support, const std::string& value) { return support.norms && value == "rms"; }, ""},
      {"attention.form", &AttentionConfig::form,
       [](const AttentionSupport& support, const std::string&) { return support.forms; }, ""}};
  const AttentionConfig defaults;
  const std::vector<PlacedAttention> all = attentions_in(config);
  std::vector<std::string> lines;
  for (const auto& [key, value, takes, remedy] : kOptions) {
    const std::string& given = config.attention.*value;
    if (given == defaults.*value) continue;
    const bool is_taken = std::ranges::any_of(all, [&, value = value, takes = takes](const PlacedAttention& placed) {
      const AttentionConfig own = attention_at(config.attention, placed.place.place, placed.layer);
      const AttentionKind& kind = find_attention_kind(own.kind);
      return kind.formula == AttentionFormula::linear ? options_of_kind(own).*value == given
                                                      : takes(kind.supports(own), given);
    });
    if (is_taken) continue;
    const AttentionConfig own = attention_at(config.attention, all.front().place.place, all.front().layer);
    const bool is_linear = find_attention_kind(own.kind).formula == AttentionFormula::linear;
    lines.push_back(
        concat(key, " = \"", given, "\" has no effect: ", key_at(config.attention, all.front().place), " = \"", own.kind,
               is_linear ? concat("\" takes \"", options_of_kind(own).*value, '"') : "\" has no such option", remedy));
  }
  return lines;
}

bool has_attention_weights(const ModelConfig& config) { return supports_anywhere(config, &AttentionSupport::has_weights); }
bool draws_by_seed(const ModelConfig& config) { return supports_anywhere(config, &AttentionSupport::draws); }
bool is_bounded(const ModelConfig& config) {
  return config.positions == Positions::learned || supports_anywhere(config, &AttentionSupport::bounded);
}

bool reads_reweighting_length(const ModelConfig& config) {
  return std::ranges::any_of(attentions_in(config), [&](const PlacedAttention& attention) {
    const AttentionConfig own = options_of_kind(attention_at(config.attention, attention.place.place, attention.layer));
    if (find_attention_kind(own.kind).formula != AttentionFormula::linear) return false;
    const ReweightingKind& reweighting = find_named(reweightings(), own.reweighting, "attention.reweighting");
    return reweighting.weight != nullptr && !reweighting.of_heads;
  });
}

std::optional<OptionProblem> find_attention_problem(const ModelConfig& config) {
  const AttentionConfig& attention = config.attention;
  if (auto problem = find_head_problem(config)) return problem;
  if (static_cast<std::int64_t>(attention.layers.size()) > std::max<std::int64_t>(config.num_layers, 1)) {
    return OptionProblem{"attention.layers", concat("attention.layers names ", attention.layers.size(),
                                                    " layers, and model.num_layers is ", config.num_layers)};
  }
  for (const auto& [place, layer] : attentions_in(config)) {
    if (auto problem = problem_at(config, place, layer)) return problem;
    if (auto problem = find_position_problem(config, place, layer)) return problem;
    if (auto problem = find_form_problem(config, place, layer)) return problem;
  }
  return std::nullopt;
}

std::optional<OptionProblem> find_packing_problem(const ModelConfig& config) {
  for (std::int64_t layer = 0; layer < attention_period(config.attention, kPacked.place); ++layer) {
    if (auto problem = problem_at(config, kPacked, layer)) return problem;
  }
  return std::nullopt;
}

std::optional<OptionProblem> find_carry_problem(const ModelConfig& config, std::int64_t tokens, std::int64_t text_tokens) {
  for (std::int64_t layer = 0; layer < attention_period(config.attention, kCarried.place); ++layer) {
    const AttentionConfig own = attention_of_layer(config, kCarried.place, layer);
    if (!find_attention_kind(own.kind).supports(own).carries) {
      const char* const key = key_at(config.attention, kCarried);
      return OptionProblem{key, concat(key, " = \"", own.kind, "\" ", kCarried.lack, "; ", kinds_with(kCarried.needs),
                                       " do, with attention.redraw_every = 0, without attention.normalization = \"l1\" and "
                                       "without a form in attention.form")};
    }
    ParameterStore store(0, DType::float32, ParameterValues::shapes_only);
    const auto attention = make_attention(own, {.scope = Scope(store),
                                                .num_heads = config.num_heads,
                                                .head_dim = config.embed_dim / config.num_heads,
                                                .embed_dim = config.embed_dim,
                                                .max_length = config.max_length});
    const std::int64_t longest = attention->carried()->longest_text(tokens);
    if (longest == 0 || longest >= text_tokens) continue;
    return OptionProblem{"attention.reweighting_length",
                         concat("attention.reweighting_length: texts that windows go on with have ", text_tokens,
                                " tokens; expected at least as many, found ", longest)};
  }
  return std::nullopt;
}

}  // namespace cosformer
