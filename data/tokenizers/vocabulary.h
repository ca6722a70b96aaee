#pragma once
/// \file
/// What the tokenizers with a vocabulary share: its file, its limits, and the choice of frequent tokens.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// Most tokens of a vocabulary.
inline constexpr std::int64_t kMaxVocabSize = std::int64_t{1} << 20;
/// Longest token in bytes, as the vocabulary's file spells it.
inline constexpr std::size_t kMaxTokenBytes = 1024;
/// Stands for every word or character outside the vocabulary.
inline constexpr std::string_view kUnknownToken = "<unk>";

/// Reads `vocab.json`, an object from token to id (GPT-2's format) -> the tokens by id. Every id from 0 to one below the
/// number of tokens must occur exactly once. Throws InputError with the path, and with the token if one is at fault.
std::vector<std::string> read_vocabulary(const std::filesystem::path& path);

/// The text that `read_vocabulary` reads.
std::string vocabulary_text(const std::vector<std::string>& tokens);

/// From token to id. The keys are views of `tokens`, which must outlive the map and stay where they are.
std::unordered_map<std::string_view, std::int32_t> ids_of(const std::vector<std::string>& tokens);

/// Throws InputError unless `id` is in [0, vocab_size).
void check_token_id(std::int32_t id, std::int64_t vocab_size);

/// How often a token occurs.
struct TokenCount {
  std::string_view token;
  std::int64_t count;
};

/// The tokens that `options` lets in beside `specials` other ones: the most frequent first, equal counts in byte order.
/// Throws InputError if the options are out of range or the vocabulary would be larger than `kMaxVocabSize`.
std::vector<std::string> frequent_tokens(std::vector<TokenCount> counts, const TokenizerOptions& options,
                                         std::int64_t specials);

}  // namespace cosformer
