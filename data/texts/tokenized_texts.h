#pragma once
/// \file
/// Labelled texts as the token sequences that a RoBERTa-style encoder reads.

#include <memory>
#include <optional>

#include "data/special_tokens.h"
#include "data/texts/labelled_texts.h"
#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// What TokenizedTexts are made with.
struct TokenizedTextOptions {
  std::int64_t num_classes = 2;
  bool pairs = false;
  std::optional<SpecialTokens> special = {};  ///< nothing: behind the tokenizer's ids
};

/// `<s> a </s>`, of pairs `<s> a </s> </s> b </s>`: one sequence per example. Where it is longer than asked for, the longer
/// of the two texts loses its end first, and the special tokens stay (of lengths below 5 for pairs and 3 for single texts
/// the end is cut whatever stands there). Throws InputError, begun with `source`, for a text that the tokenizer cannot read.
std::unique_ptr<LabelledSequences> tokenize_texts(const LabelledTexts& texts, const Tokenizer& tokenizer,
                                                  const TokenizedTextOptions& options, const std::string& source);

}  // namespace cosformer
