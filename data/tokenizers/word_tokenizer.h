#pragma once
/// \file
/// Words as tokens, in WikiText's convention.

#include <memory>
#include <unordered_map>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// Each line is split on blanks, its newline is `<eos>`, and a word outside the vocabulary is `<unk>`. A last line
/// without a newline has no `<eos>`, so the start of a line can be encoded as a prompt.
///
/// `train` gives `<unk>` id 0, `<eos>` id 1 and the words the ids after by descending count, equal counts in byte order.
/// Words over 1 KiB are always unknown. `decode` writes one blank between words. File: vocab.json.
class WordTokenizer final : public Tokenizer {
 public:
  /// The tokens by id, `<unk>` and `<eos>` among them, none with a blank or newline. Throws InputError.
  explicit WordTokenizer(std::vector<std::string> tokens);
  static std::unique_ptr<Tokenizer> load(const std::filesystem::path& folder);
  /// Throws InputError with LINE:COLUMN if the text is not UTF-8.
  static std::unique_ptr<Tokenizer> train(std::string_view text, const TokenizerOptions& options);

  std::string_view kind() const override { return "word"; }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(tokens_.size()); }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  bool may_cut(std::string_view text, std::size_t p) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  TokenizerFiles files() const override;

 private:
  std::vector<std::string> tokens_;
  std::unordered_map<std::string_view, std::int32_t> ids_;  // views of tokens_
  std::int32_t unknown_ = -1;
  std::int32_t line_end_ = -1;
};

}  // namespace cosformer
