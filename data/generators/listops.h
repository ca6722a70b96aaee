#pragma once
/// \file
/// Makes ListOps with the grammar and the limits of Long-Range Arena (Nangia and Bowman 2018; Tay et al. 2021).

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "data/generators/generated_files.h"

namespace cosformer {

/// The defaults are the published settings.
struct ListopsOptions {
  std::int64_t train = 96'000;
  std::int64_t valid = 2'000;
  std::int64_t test = 2'000;
  std::int64_t min_length = 500;    ///< expressions are longer than this, in tokens without parentheses
  std::int64_t max_length = 2'000;  ///< and shorter than this
  std::int64_t max_depth = 10;      ///< the root is at depth 1; at this depth there are digits only
  std::int64_t max_args = 10;       ///< an operator has 2 to this many arguments
  std::uint64_t seed = 1;
};

/// What was made.
struct ListopsStatistics {
  std::int64_t candidates = 0;  ///< expressions drawn
  std::int64_t duplicates = 0;  ///< of a fitting length, but drawn before
  std::int64_t accepted = 0;    ///< written
  double mean_length = 0.0;
  std::int64_t min_length = 0;
  std::int64_t median_length = 0;
  std::int64_t p90_length = 0;
  std::int64_t max_length = 0;
  std::array<std::int64_t, 10> labels{};  ///< expressions by value
};

/// Writes `basic_train.tsv`, `basic_val.tsv` and `basic_test.tsv` in the released form. Candidate number i is a function of
/// (seed, i) alone, the accepted ones keep its order and of equal ones the first stays, so the files depend on the options
/// alone, not on the number of threads. Throws InputError for options that cannot be met, and if 2^20 candidates in a row
/// gave no new expression.
ListopsStatistics make_listops(const ListopsOptions& options, GeneratedFiles& files, const GeneratorProgress& progress);

/// An expression as the release writes it, from its ids (`kListopsTokens`): each operator is applied to its arguments one by
/// one,
/// "( ( ( [MED 8 ) 1 ) ] )". Throws Error if brackets do not match.
std::string listops_text(std::span<const std::uint8_t> tokens);

}  // namespace cosformer
