#pragma once
/// \file
/// The search for the likeliest sequence of a model that says what follows a beginning.

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.h"

namespace cosformer {

/// Beginnings that grow by one token at a time, side by side.
class NextTokens {
 public:
  virtual ~NextTokens() = default;
  /// Adds a token to each beginning and gives the scores of all tokens behind it: softmax(row) are their probabilities.
  /// float32 [rows, V], contiguous.
  virtual Tensor read(std::span<const std::int32_t> tokens) = 0;
  /// Goes on with the beginnings rows[0], rows[1], ..., which may repeat and be left out.
  virtual void select(std::span<const std::int64_t> rows) = 0;
};

struct SearchOptions {
  std::int64_t beam = 1;        ///< beginnings that are kept for each sentence; 1 = always the likeliest token
  double length_penalty = 1;    ///< p of the score Σ log P / length^p: 0 favours short sequences, larger values long ones
  std::int32_t begin = 0;       ///< read before the first token
  std::int32_t end = 0;         ///< ends a sequence
  std::int32_t vocab_size = 0;  ///< only tokens below it and `end` are written
};

struct Hypothesis {
  std::vector<std::int32_t> tokens;  ///< with their end
  double log_probability = 0;  ///< of all tokens, the end included; of what may be written only the end at the last place
  double score = 0;            ///< log_probability / tokens^length_penalty
};

/// The finished hypotheses of each sentence, the best first: at least one and at most `beam`. `next` begins with one
/// beginning for each sentence; sentence i has at most max_lengths[i] >= 1 tokens, end included.
///
/// Of the 2·beam likeliest continuations of a sentence's beginnings, those among the first `beam` that end are finished, and
/// the first `beam` of the others go on; the search ends once `beam` hypotheses are finished, or at the greatest length,
/// where every beginning ends. This is fairseq's search. Sentences that are done take no part in further steps. Ties: the
/// earlier beginning, then the lower token.
std::vector<std::vector<Hypothesis>> beam_search(NextTokens& next, std::span<const std::int64_t> max_lengths,
                                                 const SearchOptions& options);

}  // namespace cosformer
