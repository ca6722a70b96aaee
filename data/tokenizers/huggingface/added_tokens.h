#pragma once
/// \file
/// The "added_tokens" of a tokenizer.json: texts that are one token wherever they stand.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/tokenizers/huggingface/json_part.h"
#include "data/tokenizers/huggingface/normalizer.h"

namespace cosformer {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool single_word = false;  ///< not within a word
  bool takes_left = false;   ///< white space to its left belongs to it
  bool takes_right = false;
  bool normalized = true;  ///< it is searched for in the normalised text
};
/// Throws InputError for a token without content or an id out of range.
std::vector<AddedToken> read_added_tokens(const JsonPart& tokenizer);

/// A part of a text: a token, or what has to be cut further.
struct TextPart {
  std::string_view text;
  std::int32_t id = -1;  ///< -1: no token
};

/// Finds tokens in a text: the leftmost first, of several there the longest. Immutable.
class TokenFinder {
 public:
  /// Those of `tokens` that are, or are not, searched for in the normalised text; of these the normalised spellings.
  TokenFinder(const std::vector<AddedToken>& tokens, bool in_normalized, const Normalizer& normalizer);

  /// The whole text, in order; no part is empty.
  std::vector<TextPart> parts(std::string_view text) const;

 private:
  /// The longest token at the begin of `text` with the bytes that it has there; null if there is none.
  std::pair<const AddedToken*, std::size_t> longest_at(std::string_view text) const;

  std::unordered_map<std::string, AddedToken> tokens_;  ///< by spelling
  std::vector<std::size_t> lengths_[256];               ///< of the spellings by their first byte, falling
};

}  // namespace cosformer
