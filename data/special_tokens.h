#pragma once
/// \file
/// Tokens that stand for no text: what an encoder reads besides a tokenizer's own.

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

}  // namespace cosformer
