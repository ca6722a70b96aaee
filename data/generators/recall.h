#pragma once
/// \file
/// Makes the tests of recall that tell attentions apart: sequences in which a model has to find again what it has read.

#include <cstdint>

#include "data/generators/generated_files.h"

namespace cosformer {

/// What all of them have.
struct RecallOptions {
  std::int64_t train = 100'000;
  std::int64_t valid = 3'000;
  std::int64_t test = 3'000;
  std::int64_t length = 64;         ///< tokens of a sequence
  std::int64_t vocab_size = 8'192;  ///< ids
  std::uint64_t seed = 1;
};

/// Multi-query associative recall with zoology's defaults (Arora et al., Zoology, 2023).
struct MqarOptions : RecallOptions {
  std::int64_t pairs = 8;      ///< of a key and its value
  double power = 0.01;         ///< a of the weights (n + 1)^(a − 1) of the n-th place of a query behind the pairs
  bool random_filling = true;  ///< what is neither a pair nor a query is a random token, or else 0
};

/// Selective copying (Gu and Dao, Mamba, 2023), the defaults of a test for small models.
struct SelectiveCopyOptions : RecallOptions {
  SelectiveCopyOptions() { length = 272, vocab_size = 16; }
  std::int64_t symbols = 16;  ///< that are to be copied
};

/// Induction heads (Fu et al., H3, 2023; Olsson et al., 2022).
struct InductionOptions : RecallOptions {
  InductionOptions() { length = 256, vocab_size = 16; }
};

/// A needle in a haystack (Kamradt, 2023), of ids: several keys with their values far apart, one of which is asked for.
struct NeedleOptions : RecallOptions {
  NeedleOptions() { length = 1'024, vocab_size = 64; }
  std::int64_t needles = 4;  ///< pairs of a key and its value
};

/// What was made.
struct RecallStatistics {
  std::int64_t sequences = 0;
  std::int64_t targets = 0;
};

/// Each writes train.tsv, valid.tsv and test.tsv in the format of data/recall_sequences.h. Sequence number i is a function
/// of the options and (seed, i) alone. They throw InputError for options that cannot be met.

/// Pairs of a key and a value follow one another; then keys are asked for again, each once, at even places, and the value is
/// the target there. Keys are of 1 … V/2 − 1, values of V/2 … V − 1, each at most once in a sequence. Places of queries are
/// drawn without replacement; early ones are likelier.
RecallStatistics make_mqar(const MqarOptions& options, GeneratedFiles& files, const GeneratorProgress& progress);

/// `symbols` tokens of 1 … V − 2 stand at random places among zeros; behind these stand as many markers V − 1, whose targets
/// are the symbols in their order.
RecallStatistics make_selective_copy(const SelectiveCopyOptions& options, GeneratedFiles& files,
                                     const GeneratorProgress& progress);

/// Tokens of 0 … V − 2, and among them one V − 1. The last token is V − 1 again; its target is the token that followed the
/// first.
RecallStatistics make_induction(const InductionOptions& options, GeneratedFiles& files, const GeneratorProgress& progress);

/// Tokens of 0 … V/2 − 1, and among them, at even places, `needles` pairs of a key of V/2 … 3V/4 − 1 and a value of 3V/4 … V
/// − 1, each at most once. The last token is one of the keys; its target is that key's value.
RecallStatistics make_needle(const NeedleOptions& options, GeneratedFiles& files, const GeneratorProgress& progress);

}  // namespace cosformer
