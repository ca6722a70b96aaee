#pragma once
/// \file
/// Characters as tokens.

#include <memory>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// A token for every Unicode code point of the training text, and `<unk>` for all others.
///
/// `train` gives the code points ids in ascending order and `<unk>` the last id. Text must be UTF-8. `decode` writes
/// U+FFFD for `<unk>`. File: vocab.json.
class CharTokenizer final : public Tokenizer {
 public:
  /// The tokens by id: `<unk>` once, otherwise one character each. Throws InputError.
  explicit CharTokenizer(std::vector<std::string> tokens);
  static std::unique_ptr<Tokenizer> load(const std::filesystem::path& folder);
  /// Throws InputError with LINE:COLUMN if the text is not UTF-8.
  static std::unique_ptr<Tokenizer> train(std::string_view text, const TokenizerOptions& options);

  std::string_view kind() const override { return "char"; }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(tokens_.size()); }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  bool may_cut(std::string_view text, std::size_t p) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  TokenizerFiles files() const override;

 private:
  std::vector<std::string> tokens_;
  std::vector<std::int32_t> ids_;  // by code point
  std::int32_t unknown_ = -1;
};

}  // namespace cosformer
