#pragma once
/// \file
/// The kinds of tokenizer by name.

#include <memory>
#include <span>
#include <string_view>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// A registered kind.
struct TokenizerKind {
  std::string_view name;
  bool has_files;  ///< `load` reads files from its folder
  std::unique_ptr<Tokenizer> (*load)(const std::filesystem::path& folder);
  /// Null: the kind is not made here.
  std::unique_ptr<Tokenizer> (*train)(std::string_view text, const TokenizerOptions& options);
};
std::span<const TokenizerKind> tokenizer_kinds();
/// Throws InputError for an unknown kind, with the nearest known one.
const TokenizerKind& find_tokenizer_kind(std::string_view name);

/// The tokenizer whose files are in `folder` (which "byte" does not look at). Throws InputError for an unknown kind, with
/// the nearest known one, and for files that cannot be used.
std::unique_ptr<Tokenizer> load_tokenizer(std::string_view kind, const std::filesystem::path& folder);

/// A tokenizer with the vocabulary of `text`. Throws InputError for an unknown kind and for text or options that cannot
/// be used.
std::unique_ptr<Tokenizer> train_tokenizer(std::string_view kind, std::string_view text,
                                           const TokenizerOptions& options = {});

}  // namespace cosformer
