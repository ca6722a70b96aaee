#pragma once
/// \file
/// Models of this program as folders that Hugging Face's transformers load.

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/tokenizers/tokenizer.h"
#include "layers/model_config.h"
#include "train/store/safetensors.h"

namespace cosformer {

/// A folder before it is written.
struct ExportedModel {
  std::string architecture;  ///< "gpt2", "llama" or "cosformer"
  nlohmann::ordered_json config;
  TensorMap tensors;
  std::map<std::string, std::string> files;  ///< further files by name: the tokenizer, the model's source
  std::vector<std::string> remarks;          ///< what a user should know, one line each
};

/// A decoder of softmax attention as GPT-2 or Llama if it is built as they are; any other decoder whose attentions
/// modeling_cosformer.py knows as a model of its own with that source. `config` is complete, `parameters` are all of its
/// model's. A tokenizer that has no counterpart there is left out with a remark. Throws InputError that names the key for
/// what cannot be exported.
ExportedModel export_model(const ModelConfig& config, const TensorMap& parameters, const Tokenizer& tokenizer);

/// Writes config.json, model.safetensors and the further files into a new folder, which appears whole or not at all. Throws
/// InputError if it exists, and Error.
void write_exported(const ExportedModel& model, const std::filesystem::path& folder);

}  // namespace cosformer
