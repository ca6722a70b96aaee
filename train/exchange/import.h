#pragma once
/// \file
/// Models of other programs as checkpoints of this one.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizers/tokenizer.h"
#include "train/config/config.h"
#include "train/store/safetensors.h"

namespace cosformer {

struct ImportedModel {
  std::string architecture;  ///< "gpt2", or "fairseq"
  Config config;
  TensorMap parameters;               ///< all of the model that `config` describes, by name, finite
  TokenizerFiles tokenizer;           ///< of the kind that `config` names; empty if there is none to read
  std::vector<std::string> left_out;  ///< tensors of the source that the model has no use for, as `grouped_names`
  std::vector<std::string> remarks;   ///< what else a user should know, one line each
};

/// Reads a folder of Hugging Face's transformers (config.json and safetensors, see foreign_families.h), or, with a config, a
/// safetensors file with fairseq's names. Throws InputError, one line: an architecture or a setting that this program does
/// not have, a tensor that is missing, of another shape or not finite, files that are malformed.
ImportedModel import_model(const std::filesystem::path& source, const std::optional<std::filesystem::path>& config_file);

/// Writes the model as a checkpoint: a folder with model.safetensors, config.toml and, if there is one, the tokenizer. It
/// appears whole or not at all. Throws InputError if `folder` exists, and Error.
void write_imported(const ImportedModel& model, const std::filesystem::path& folder);

}  // namespace cosformer
