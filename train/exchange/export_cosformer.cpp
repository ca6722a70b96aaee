#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "layers/attention/feature_map.h"
#include "layers/attention/registry.h"
#include "train/config/config.h"
#include "train/exchange/architectures.h"
#include "train/exchange/python_sources.h"

namespace cosformer {

namespace {

/// What the model's source calls a formula; null: it does not know it.
const char* name_of(AttentionFormula formula) {
  switch (formula) {
    case AttentionFormula::softmax:
      return "softmax";
    case AttentionFormula::window:
      return "window";
    case AttentionFormula::linear:
      return "linear";
    case AttentionFormula::other:
      break;
  }
  return nullptr;
}

struct LayerAttention {
  AttentionFormula formula;
  AttentionConfig options;  ///< as the kind takes them
};

/// Those of the first layers, after which they are the same again.
std::vector<LayerAttention> attentions_of(const ModelConfig& config) {
  const std::int64_t period = std::min(attention_period(config.attention, AttentionPlace::decoder_self), config.num_layers);
  std::vector<LayerAttention> attentions;
  for (std::int64_t layer = 0; layer < period; ++layer) {
    AttentionConfig own = options_of_kind(attention_of_layer(config, AttentionPlace::decoder_self, layer));
    attentions.push_back({find_attention_kind(own.kind).formula, std::move(own)});
  }
  return attentions;
}

/// "a, b, c" of the kinds whose formula the model's source knows.
std::string known_kinds() {
  std::string list;
  for (const AttentionKind& kind : attention_kinds()) {
    if (name_of(kind.formula) != nullptr) list += concat(list.empty() ? "" : ", ", kind.name);
  }
  return list;
}

/// Whether the config asks for what modeling_cosformer.py computes.
std::optional<std::string> obstacle(const ModelConfig& config) {
  bool has_kinds = true, has_maps = true, has_sums = true;
  for (const LayerAttention& own : attentions_of(config)) {
    has_kinds = has_kinds && name_of(own.formula) != nullptr;
    if (own.formula != AttentionFormula::linear) continue;
    has_maps = has_maps && find_feature_map(own.options.feature_map).projection != FeatureProjection::random;
    has_sums = has_sums && own.options.normalization != "l1";
  }
  const Expectation expectations[] = {
      {"model.kind", config.kind == ModelKind::decoder, "\"decoder\""},
      {"attention.kind", has_kinds, concat("in every layer one of ", known_kinds())},
      {"attention.feature_map", has_maps, "a function of single numbers or hedgehog"},
      {"model.positions", config.positions != Positions::alibi, "learned, sinusoidal, rope or none"},
      {"attention.normalization", has_sums, "sum or rms"},
      {"model.adaptive_cutoffs", config.adaptive_cutoffs.empty(), "none"},
  };
  return first_unmet(expectations);
}

void write(const ModelConfig& config, const TensorMap& parameters, ExportedModel& model) {
  const auto tables_of = [](const ModelConfig& of) {
    Config whole;
    whole.model = of;
    return nlohmann::ordered_json::parse(to_json(whole));
  };
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const LayerAttention& own : attentions_of(config)) {
    ModelConfig layer = config;
    layer.attention = own.options;
    nlohmann::ordered_json& options = layers.emplace_back(nlohmann::ordered_json{{"formula", name_of(own.formula)}});
    options.update(tables_of(layer).at("attention"));
  }
  model.config = {{"architectures", {"CosformerForCausalLM"}},
                  {"model_type", "cosformer"},
                  {"auto_map",
                   {{"AutoConfig", "modeling_cosformer.CosformerConfig"},
                    {"AutoModelForCausalLM", "modeling_cosformer.CosformerForCausalLM"}}},
                  {"model", tables_of(config).at("model")},
                  {"attention_layers", std::move(layers)}};
  model.tensors = parameters;
  for (const PythonSource& source : python_sources()) model.files[std::string(source.name)] = source.text;
}

}  // namespace

const ExportArchitecture kCosformerExport = {"cosformer", obstacle, write};

}  // namespace cosformer
