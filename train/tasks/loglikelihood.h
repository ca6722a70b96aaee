#pragma once
/// \file
/// How likely a decoder finds given continuations of given contexts: what multiple-choice benchmarks score.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/tokenizers/tokenizer.h"
#include "layers/model.h"

namespace cosformer {

/// A context and what may follow it.
struct ContinuationRequest {
  std::string context;
  std::vector<std::string> continuations;
};

struct ContinuationScore {
  double log_probability = 0;  ///< of all its tokens together, natural logarithm
  std::int64_t tokens = 0;
  std::int64_t bytes = 0;
  bool is_greedy = false;     ///< each token is the likeliest one at its place
  std::int64_t left_out = 0;  ///< tokens of the context that did not fit into the window
};

/// Reads JSON lines: objects with "context" (text) and "continuations" (array of texts), or "continuation" (one text);
/// further keys are left alone. Empty lines are skipped. Throws InputError that names file and line.
std::vector<ContinuationRequest> read_continuation_requests(const std::filesystem::path& path);

/// Scores each continuation of each request. Context and continuation are cut into tokens together, white space at the
/// context's end belongs to the continuation, and the tokens behind those of the context alone are scored, as
/// lm-evaluation-harness does it (Gao et al., 2021). A context longer than the model's window loses its beginning. The
/// result does not depend on the number of threads. Throws InputError that names the request (`source` and its number, from
/// 1) for a text that the tokenizer cannot read, a context or continuation without a token, and a continuation longer than
/// the window.
std::vector<std::vector<ContinuationScore>> score_continuations(const Model& model, const Tokenizer& tokenizer,
                                                                std::span<const ContinuationRequest> requests,
                                                                const std::string& source);

}  // namespace cosformer
