#pragma once
/// \file
/// Tokens that stand for no text: what models read besides a tokenizer's own.

#include <cstdint>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// RoBERTa's special tokens, the same for pre-training and fine-tuning.
struct SpecialTokens {
  /// How many ids they add to a vocabulary that has none.
  static constexpr std::int64_t kCount = 3;

  /// Ids behind those of a tokenizer.
  explicit SpecialTokens(std::int64_t of_tokenizer)
      : class_token(static_cast<std::int32_t>(of_tokenizer)),
        separator(class_token + 1),
        mask(class_token + 2),
        tokenizer_vocab_size(of_tokenizer),
        vocab_size(of_tokenizer + kCount) {}
  /// A tokenizer's own `<s>`, `</s>` and `<mask>`, or `[CLS]`, `[SEP]` and `[MASK]` as BERT calls them. Throws InputError,
  /// begun with task.special_tokens, if it has neither.
  static SpecialTokens of(const Tokenizer& tokenizer);

  std::int32_t class_token;           ///< `<s>`, the first of every sequence
  std::int32_t separator;             ///< `</s>`
  std::int32_t mask;                  ///< `<mask>`
  std::int64_t tokenizer_vocab_size;  ///< ids of the tokenizer, from 0
  std::int64_t vocab_size;            ///< with those behind it
};

/// Whether a tokenizer has special tokens of its own.
bool has_special_tokens(const Tokenizer& tokenizer);

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
