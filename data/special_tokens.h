#pragma once
/// \file
/// Tokens that stand for no text: what models read besides a tokenizer's own.

#include <cstdint>

namespace cosformer {

/// RoBERTa's special tokens behind the ids of a tokenizer, the same for pre-training and fine-tuning.
struct SpecialTokens {
  /// How many ids they add to the vocabulary.
  static constexpr std::int64_t kCount = 3;

  explicit SpecialTokens(std::int64_t tokenizer_vocab_size)
      : class_token(static_cast<std::int32_t>(tokenizer_vocab_size)),
        separator(class_token + 1),
        mask(class_token + 2),
        vocab_size(tokenizer_vocab_size + kCount) {}

  std::int32_t class_token;  ///< `<s>`, the first of every sequence
  std::int32_t separator;    ///< `</s>`
  std::int32_t mask;         ///< `<mask>`
  std::int64_t vocab_size;   ///< with the tokenizer's
};

/// What a translation model reads and writes besides a tokenizer's tokens, behind their ids.
struct TranslationTokens {
  /// How many ids they add to the vocabulary.
  static constexpr std::int64_t kCount = 3;

  explicit TranslationTokens(std::int64_t tokenizer_vocab_size)
      : padding(static_cast<std::int32_t>(tokenizer_vocab_size)),
        begin(padding + 1),
        end(padding + 2),
        vocab_size(tokenizer_vocab_size + kCount) {}

  std::int32_t padding;     ///< `<pad>`, if a sentence of a batch is shorter than another; never read nor predicted
  std::int32_t begin;       ///< `<s>`, which the decoder reads first
  std::int32_t end;         ///< `</s>`, the last of every source and every target
  std::int64_t vocab_size;  ///< with the tokenizer's
};

}  // namespace cosformer
