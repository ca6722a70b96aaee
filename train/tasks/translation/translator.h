#pragma once
/// \file
/// Translations of sentences by an encoder-decoder.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/special_tokens.h"
#include "data/tokenizers/tokenizer.h"
#include "layers/model.h"
#include "train/config/config.h"
#include "train/tasks/translation/beam_search.h"

namespace cosformer {

/// Translates with the settings of a config's [decoding] table. The model and the tokenizer must outlive it.
///
/// Sentences of similar length are translated side by side, groups of them on all threads; attention of a recurrent form
/// keeps its state of constant size, the others a key-value cache, and keys and values of the source are computed once. A
/// sentence's translation has at most min(max_length, max_length_ratio · source tokens + max_length_extra) tokens, ends
/// included.
class Translator {
 public:
  /// `max_length` is what the model's positions allow (task.seq_len).
  Translator(const Model& model, const Tokenizer& tokenizer, const DecodingConfig& decoding, std::int64_t max_length);

  /// The best hypothesis for each source, which ends with its `</s>`; in the order of the sources.
  std::vector<Hypothesis> translate_tokens(std::span<const std::vector<std::int32_t>> sources) const;
  /// The text of a hypothesis.
  std::string text_of(const Hypothesis& hypothesis) const;
  /// Sentences as text; longer ones than `max_length` lose their end. Throws InputError for one that the tokenizer cannot
  /// read.
  std::vector<std::string> translate(std::span<const std::string> sentences) const;

 private:
  const Model& model_;
  const Tokenizer& tokenizer_;
  DecodingConfig decoding_;
  std::int64_t max_length_;
  TranslationTokens special_;
};

}  // namespace cosformer
