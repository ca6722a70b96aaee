#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "layers/attention/feature_map.h"
#include "layers/attention/registry.h"
#include "train/config/config.h"
#include "train/exchange/architectures.h"
#include "train/exchange/python_sources.h"

namespace cosformer {

namespace {

constexpr std::string_view kKinds[] = {"softmax", "softmax_materialized", "local", "linear", "cosformer", "hedgehog"};

/// Whether the config asks for what modeling_cosformer.py computes.
std::optional<std::string> obstacle(const ModelConfig& config) {
  bool has_kinds = true, is_linear = false;
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string kind = attention_of_layer(config, AttentionPlace::decoder_self, layer).kind;
    has_kinds = has_kinds && std::ranges::find(kKinds, kind) != std::end(kKinds);
    is_linear = is_linear || kind == "linear" || kind == "cosformer" || kind == "hedgehog";
  }
  const AttentionConfig& attention = config.attention;
  const bool has_map = find_feature_map(attention.feature_map).projection != FeatureProjection::random;
  const Expectation expectations[] = {
      {"model.kind", config.kind == ModelKind::decoder, "\"decoder\""},
      {"attention.kind", has_kinds, "softmax, local, linear, cosformer or hedgehog in every layer"},
      {"attention.feature_map", !is_linear || has_map, "a function of single numbers or hedgehog"},
      {"model.positions", config.positions != Positions::alibi, "learned, sinusoidal, rope or none"},
      {"attention.normalization", !is_linear || attention.normalization != "l1", "sum or rms"},
      {"model.adaptive_cutoffs", config.adaptive_cutoffs.empty(), "none"},
  };
  return first_unmet(expectations);
}

void write(const ModelConfig& config, const TensorMap& parameters, ExportedModel& model) {
  Config whole;
  whole.model = config;
  const nlohmann::ordered_json tables = nlohmann::ordered_json::parse(to_json(whole));
  model.config = {{"architectures", {"CosformerForCausalLM"}},
                  {"model_type", "cosformer"},
                  {"auto_map",
                   {{"AutoConfig", "modeling_cosformer.CosformerConfig"},
                    {"AutoModelForCausalLM", "modeling_cosformer.CosformerForCausalLM"}}},
                  {"model", tables.at("model")},
                  {"attention", tables.at("attention")}};
  model.tensors = parameters;
  for (const PythonSource& source : python_sources()) model.files[std::string(source.name)] = source.text;
}

}  // namespace

const ExportArchitecture kCosformerExport = {"cosformer", obstacle, write};

}  // namespace cosformer
