#pragma once
/// \file
/// SentencePiece models (Kudo and Richardson, 2018), read by the library of that name.

#include <memory>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// The ids are those of `SentencePieceProcessor.encode`: no begin and no end of a text is added, and bytes that are not
/// UTF-8 are what the library makes of them. A text is encoded as a whole on one thread. Files: tokenizer.model.
class SentencePieceTokenizer final : public Tokenizer {
 public:
  /// `model` is the content of a model file, `source` its name for messages. Throws InputError for a model that the library
  /// refuses, and in a program that was built without the library.
  SentencePieceTokenizer(std::string model, const std::string& source);
  ~SentencePieceTokenizer() override;
  static std::unique_ptr<Tokenizer> load(const std::filesystem::path& folder);

  std::string_view kind() const override { return "sentencepiece"; }
  std::int64_t vocab_size() const override;
  std::vector<std::int32_t> encode(std::string_view text) const override;
  bool may_cut(std::string_view text, std::size_t p) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::optional<std::int32_t> find_token(std::string_view name) const override;
  TokenizerFiles files() const override;

 private:
  struct Processor;
  std::string model_;
  std::unique_ptr<const Processor> processor_;
};

/// Whether this program was built with the library.
bool has_sentencepiece();

}  // namespace cosformer
