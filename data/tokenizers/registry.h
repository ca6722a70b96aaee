#pragma once
/// \file
/// The kinds of tokenizer by name.

#include <memory>
#include <span>
#include <string_view>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// Every kind: "byte", "char", "word", "bpe".
std::span<const std::string_view> tokenizer_kinds();

/// True where `load_tokenizer` reads files of this kind from its folder. Throws InputError for an unknown kind.
bool tokenizer_has_files(std::string_view kind);

/// The tokenizer whose files are in `folder` (which "byte" does not look at). Throws InputError for an unknown kind, with
/// the nearest known one, and for files that cannot be used.
std::unique_ptr<Tokenizer> load_tokenizer(std::string_view kind, const std::filesystem::path& folder);

/// A tokenizer with the vocabulary of `text`. Throws InputError for an unknown kind and for text or options that cannot
/// be used.
std::unique_ptr<Tokenizer> train_tokenizer(std::string_view kind, std::string_view text,
                                           const TokenizerOptions& options = {});

}  // namespace cosformer
