#pragma once
/// \file
/// The texts of a split as token ids, for language modelling.

#include "data/corpus/read_tokens.h"
#include "data/corpus/token_array.h"

namespace cosformer {

struct TextCorpus : CorpusFacts {
  std::string remark;     ///< see `corpus_remark`
  TokenArray tokens;      ///< in [0, vocab_size) of the tokenizer
  DocumentStarts starts;  ///< of its documents
};

/// Reads plain texts (WikiText's `.tokens` files too) or JSON lines, which may be compressed. Throws InputError with the
/// path if they cannot be read, if the tokenizer refuses a text, if there is no text, and if there are fewer than two
/// tokens: nothing could be predicted.
TextCorpus load_text_corpus(const CorpusFiles& files, const Tokenizer& tokenizer);

/// Throws InputError for a corpus of fewer than two tokens.
void check_corpus(const CorpusFacts& facts, std::int64_t tokens, const CorpusFiles& files);

/// All texts of a corpus, one after the other. Throws InputError as `load_text_corpus` does.
std::string read_whole_text(const CorpusFiles& files);

}  // namespace cosformer
