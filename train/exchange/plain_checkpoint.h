#pragma once
/// \file
/// Checkpoints of this program that belong to no run.

#include <filesystem>

#include "data/tokenizers/tokenizer.h"
#include "train/config/config.h"
#include "train/store/safetensors.h"

namespace cosformer {

/// Writes a folder with model.safetensors, config.toml and, if there is one, the tokenizer. It appears whole or not at all.
/// Throws InputError if `folder` exists, and Error.
void write_plain_checkpoint(const Config& config, const TensorMap& parameters, const TokenizerFiles& tokenizer,
                            const std::filesystem::path& folder);

}  // namespace cosformer
