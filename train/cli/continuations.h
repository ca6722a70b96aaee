#pragma once
/// \file
/// `cosformer eval --loglikelihood`: scores of given continuations.

#include "train/cli/options.h"
#include "train/store/checkpoint_store.h"

namespace cosformer {

/// Scores the requests of the file that `--loglikelihood` names by the decoder that the command line names, and prints them:
/// with `--json` an object per request, one per line, else a line per continuation. Throws InputError.
void print_continuation_scores(const cxxopts::ParseResult& given, const Warn& warn);

}  // namespace cosformer
