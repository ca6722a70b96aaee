#pragma once
/// \file
/// The architectures of Hugging Face's transformers that this program has the blocks for.

#include <span>
#include <string>
#include <vector>

#include "layers/model_config.h"
#include "train/exchange/foreign_config.h"
#include "train/exchange/foreign_tensors.h"

namespace cosformer {

/// A model in this program's terms.
struct TranslatedModel {
  ModelConfig config;
  TensorMap parameters;              ///< by our names; a tied copy may be there under its second name
  std::vector<std::string> remarks;  ///< what is not as it was, one line each
};

struct ForeignFamily {
  const char* model_type;  ///< as config.json has it
  /// Takes what the model needs out of the tensors. Throws InputError.
  TranslatedModel (*translate)(const ForeignConfig& config, ForeignTensors& tensors);
};
std::span<const ForeignFamily> foreign_families();

// One function for each file of this name in this folder.
TranslatedModel translate_bert(const ForeignConfig& config, ForeignTensors& tensors);  ///< and RoBERTa
TranslatedModel translate_gpt2(const ForeignConfig& config, ForeignTensors& tensors);
TranslatedModel translate_llama(const ForeignConfig& config, ForeignTensors& tensors);  ///< and Mistral, Qwen2
TranslatedModel translate_opt(const ForeignConfig& config, ForeignTensors& tensors);

/// The function that a config calls `name`. Throws InputError for one that this program does not have.
ScalarFunction find_foreign_activation(const ForeignConfig& config, const char* key, const std::string& fallback);

/// `prefix` if a tensor of the name `prefix` + `name` exists, else the empty string: models with a head carry a prefix.
std::string prefix_if_used(const ForeignTensors& tensors, const std::string& prefix, const std::string& name);

/// Takes `from`.weight and `from`.bias, a layer of this program's layout (outputs, inputs), as `to`.weight and `to`.bias.
void take_linear(ForeignTensors& tensors, const std::string& from, TensorMap& parameters, const std::string& to,
                 std::int64_t outputs, std::int64_t inputs);
/// The same of a norm.
void take_norm(ForeignTensors& tensors, const std::string& from, TensorMap& parameters, const std::string& to,
               std::int64_t width);

}  // namespace cosformer
