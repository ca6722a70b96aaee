#include "train/exchange/foreign_families.h"

#include "core/error.h"
#include "core/nearest_name.h"
#include "core/printable.h"

namespace cosformer {

namespace {

constexpr ForeignFamily kFamilies[] = {
    {"bert", translate_bert},   {"gpt2", translate_gpt2}, {"llama", translate_llama},  {"mistral", translate_llama},
    {"qwen2", translate_llama}, {"opt", translate_opt},   {"roberta", translate_bert},
};

struct ForeignActivation {
  std::string_view name;
  ScalarFunction value;
};
constexpr ForeignActivation kActivations[] = {
    {"gelu", ScalarFunction::gelu},           {"gelu_new", ScalarFunction::gelu_tanh},
    {"gelu_fast", ScalarFunction::gelu_tanh}, {"gelu_pytorch_tanh", ScalarFunction::gelu_tanh},
    {"relu", ScalarFunction::relu},           {"silu", ScalarFunction::silu},
    {"swish", ScalarFunction::silu},
};

}  // namespace

std::span<const ForeignFamily> foreign_families() { return kFamilies; }

ScalarFunction find_foreign_activation(const ForeignConfig& config, const char* key, const std::string& fallback) {
  const std::string name = config.text(key, fallback);
  std::vector<std::string_view> names;
  for (const ForeignActivation& activation : kActivations) {
    if (activation.name == name) return activation.value;
    names.push_back(activation.name);
  }
  throw InputError(concat(config.source(), ": ", key, ": unknown activation ", printable(name), name_hint(name, names)));
}

std::string prefix_if_used(const ForeignTensors& tensors, const std::string& prefix, const std::string& name) {
  return tensors.has(prefix + name) ? prefix : std::string();
}

void take_linear(ForeignTensors& tensors, const std::string& from, TensorMap& parameters, const std::string& to,
                 std::int64_t outputs, std::int64_t inputs) {
  parameters[to + ".weight"] = tensors.take(from + ".weight", {outputs, inputs});
  parameters[to + ".bias"] = tensors.take(from + ".bias", {outputs});
}

void take_norm(ForeignTensors& tensors, const std::string& from, TensorMap& parameters, const std::string& to,
               std::int64_t width) {
  // Checkpoints that were made from TensorFlow's say gamma and beta.
  const bool is_old = tensors.has(from + ".gamma");
  parameters[to + ".weight"] = tensors.take(from + (is_old ? ".gamma" : ".weight"), {width});
  parameters[to + ".bias"] = tensors.take(from + (is_old ? ".beta" : ".bias"), {width});
}

}  // namespace cosformer
