#pragma once
/// \file
/// The "model" of a tokenizer.json: from a word to token ids.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizers/huggingface/json_part.h"

namespace cosformer {

/// From token to id. Ids may have gaps.
using TokenIds = std::unordered_map<std::string, std::int32_t>;

/// Immutable and thread-safe.
class TokenModel {
 public:
  explicit TokenModel(TokenIds ids) : ids_(std::move(ids)) {}
  virtual ~TokenModel() = default;

  /// Appends the ids of a word, which is valid UTF-8 and not empty. Throws InputError for a word that the model has no ids
  /// for.
  virtual void encode(std::string_view word, std::vector<std::int32_t>& ids) const = 0;
  const TokenIds& ids() const { return ids_; }

 protected:
  /// The id of a token; -1 if there is none.
  std::int32_t id_of(const std::string& token) const {
    const auto entry = ids_.find(token);
    return entry == ids_.end() ? -1 : entry->second;
  }

 private:
  TokenIds ids_;
};

/// Throws InputError that names a model or a setting that this program does not have, and tokens at fault.
std::unique_ptr<const TokenModel> read_token_model(const JsonPart& part);

// One file each.
std::unique_ptr<const TokenModel> read_bpe(const JsonPart& part);
std::unique_ptr<const TokenModel> read_word_piece(const JsonPart& part);

/// The object "vocab". Throws InputError for an id below 0, of `kMaxVocabSize` or more, or given twice.
TokenIds read_token_ids(const JsonPart& part);
/// The id of the token that a key names. Throws InputError if it is not among `ids`.
std::int32_t named_token(const JsonPart& part, std::string_view key, const TokenIds& ids);

}  // namespace cosformer
