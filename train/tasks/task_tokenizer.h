#pragma once
/// \file
/// The tokenizer of a task: where it comes from, and its files in a run's folder.

#include <filesystem>
#include <memory>

#include "data/special_tokens.h"
#include "data/tokenizers/tokenizer.h"
#include "train/config/config.h"

namespace cosformer {

/// Whether the tokenizer has files to be read, or needs none, and is not made from a text.
bool has_tokenizer_files(const TaskConfig& config);
/// The tokenizer of a config: read from `task.tokenizer_folder`, or made from the training text if that is empty. Throws
/// InputError.
std::unique_ptr<Tokenizer> make_tokenizer(const TaskConfig& config);
/// The same, made from `text` if the folder is empty.
std::unique_ptr<Tokenizer> make_tokenizer(const TaskConfig& config, std::string_view text);

/// The special tokens that `task.special_tokens` asks for. Throws InputError.
SpecialTokens special_tokens_of(const TaskConfig& config, const Tokenizer& tokenizer);

/// The folder of a run that holds its tokenizer's files.
inline constexpr const char* kTokenizerFolder = "tokenizer";

/// Writes a tokenizer's files into a run's folder, whole or not at all, in the place of others; nothing if there are none
/// or where they are there already. Throws Error.
void save_tokenizer(const TokenizerFiles& tokenizer, const std::filesystem::path& run);

}  // namespace cosformer
