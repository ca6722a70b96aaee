#pragma once
/// \file
/// Makes sequences to be copied or reversed: the plainest tasks that need attention across two sequences.

#include <cstdint>

#include "data/generators/generated_files.h"

namespace cosformer {

struct SequencePairsOptions {
  std::int64_t train = 20'000;
  std::int64_t valid = 500;
  std::int64_t test = 500;
  std::int64_t min_length = 4;   ///< symbols of the shortest sequence
  std::int64_t max_length = 20;  ///< and of the longest; all lengths are equally likely
  std::int64_t symbols = 16;     ///< different symbols: the numbers 0 ... symbols - 1, all equally likely
  bool reversed = false;         ///< the target is the source from its end on
  std::uint64_t seed = 1;
};

/// What was made.
struct SequencePairsStatistics {
  std::int64_t pairs = 0;
  std::int64_t symbols = 0;  ///< of all sources together
};

/// Writes `train`, `valid` and `test`, each as `.src` and `.tgt`: one sequence a line, symbols parted by one blank. Sequence
/// number i is a function of (seed, i) alone. Throws InputError for options that cannot be met.
SequencePairsStatistics make_sequence_pairs(const SequencePairsOptions& options, GeneratedFiles& files,
                                            const GeneratorProgress& progress);

}  // namespace cosformer
