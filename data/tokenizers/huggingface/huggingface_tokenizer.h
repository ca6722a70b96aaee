#pragma once
/// \file
/// Tokenizers of Hugging Face's library `tokenizers`, from their tokenizer.json.

#include <memory>
#include <optional>
#include <vector>

#include "data/tokenizers/huggingface/added_tokens.h"
#include "data/tokenizers/huggingface/decoder.h"
#include "data/tokenizers/huggingface/normalizer.h"
#include "data/tokenizers/huggingface/pre_tokenizer.h"
#include "data/tokenizers/huggingface/token_model.h"
#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// The ids are those of `Tokenizer.encode(text, add_special_tokens=False)`: tokens that a post-processor would put around a
/// text are not added, and names of added tokens in a text are those tokens. Bytes that are not UTF-8 are read as U+FFFD, as
/// Python does with errors="replace". A part of tokenizer.json that this program does not have is refused by name. Files:
/// tokenizer.json.
class HuggingFaceTokenizer final : public Tokenizer {
 public:
  /// `source` is the file's name for messages. Throws InputError.
  HuggingFaceTokenizer(std::string json, const std::string& source);
  static std::unique_ptr<Tokenizer> load(const std::filesystem::path& folder);

  std::string_view kind() const override { return "huggingface"; }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(tokens_.size()); }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  bool may_cut(std::string_view text, std::size_t p) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::optional<std::int32_t> find_token(std::string_view name) const override;
  TokenizerFiles files() const override;

 private:
  std::vector<std::int32_t> encode_piece(std::string_view text, bool is_first) const;
  /// A part of a text without added tokens, normalised or not.
  void encode_words(std::string_view text, bool is_first, std::vector<std::int32_t>& ids) const;

  std::string json_;
  Normalizer normalizer_;       ///< null: none
  PreTokenizer pre_tokenizer_;  ///< null: a text is one word
  TokenDecoder decoder_;        ///< null: tokens parted by blanks
  std::unique_ptr<const TokenModel> model_;
  std::optional<TokenFinder> raw_tokens_, normalized_tokens_;
  std::vector<std::string> tokens_;  ///< by id; empty for ids that no token has
  bool may_cut_ = false;             ///< a long text may be cut before a blank that follows a letter
};

}  // namespace cosformer
