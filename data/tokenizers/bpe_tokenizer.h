#pragma once
/// \file
/// Byte-level byte-pair encoding, as GPT-2 and RoBERTa use it.

#include <array>
#include <memory>

#include "data/tokenizers/bpe_merges.h"
#include "data/tokenizers/bpe_model.h"
#include "data/tokenizers/bpe_pre_tokenizer.h"
#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// Cuts text into words (see `BpePreTokenizer`), each word into bytes, and joins neighbours by the merge rules: always the
/// rule that is first in the file, at its leftmost place.
///
/// Reads any bytes, and `decode(encode(text)) == text`. Names of special tokens in a text, such as `<|endoftext|>`, are
/// ordinary characters: data cannot inject them. Time O(n log n) in the length of a word; a long text is encoded on
/// several threads. Files: vocab.json, merges.txt.
class BpeTokenizer final : public Tokenizer {
 public:
  /// Throws InputError if one of the 256 bytes is not in the vocabulary.
  explicit BpeTokenizer(BpeModel model);
  static std::unique_ptr<Tokenizer> load(const std::filesystem::path& folder);
  /// See `train_bpe`.
  static std::unique_ptr<Tokenizer> train(std::string_view text, const TokenizerOptions& options);

  std::string_view kind() const override { return "bpe"; }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(tokens_.size()); }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  bool may_cut(std::string_view text, std::size_t p) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  TokenizerFiles files() const override;

 private:
  std::vector<std::int32_t> encode_piece(std::string_view piece) const;

  std::vector<std::string> tokens_;
  BpeMerges merges_;
  BpePreTokenizer pre_tokenizer_;
  std::array<std::int32_t, 256> byte_ids_{};
};

}  // namespace cosformer
