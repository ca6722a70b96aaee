#pragma once
/// \file
/// Sequences of token ids with targets at some of their positions: tests of recall.
///
/// A file is text. Its first line is `Tokens<TAB>Targets<TAB>Vocabulary=V`; each other line is a sequence: ids parted by
/// blanks, a tab, and its targets POSITION:ID parted by blanks, positions from 0 and rising. Ids are below V.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/checksum.h"

namespace cosformer {

struct RecallTarget {
  std::int64_t position = 0;  ///< of the token that asks
  std::int32_t token = 0;     ///< the answer
  friend bool operator==(const RecallTarget&, const RecallTarget&) = default;
};

struct RecallSequence {
  std::vector<std::int32_t> tokens;
  std::vector<RecallTarget> targets;
  friend bool operator==(const RecallSequence&, const RecallSequence&) = default;
};

/// A file's first line, with its newline.
std::string recall_header(std::int64_t vocab_size);
/// A sequence's line, with its newline.
std::string recall_row(const RecallSequence& sequence);

/// All sequences of a file.
struct RecallSet {
  std::int64_t vocab_size = 0;
  std::vector<RecallSequence> sequences;  ///< at least one
  std::int64_t longest = 0;               ///< tokens
  Digest content;                         ///< of the file
};

/// Throws InputError, PATH:ROW: what was expected, for a file that is not as above or has no sequence, and for a sequence
/// without tokens or targets.
RecallSet load_recall_set(const std::filesystem::path& path);

/// Equally long rows of token ids and what each position should predict.
struct RecallBatch {
  std::int64_t rows = 0;
  std::int64_t length = 0;            ///< of the longest sequence
  std::int64_t predicted = 0;         ///< targets
  std::int64_t tokens = 0;            ///< of the sequences, without padding
  std::vector<std::int32_t> inputs;   ///< [rows, length]; 0 behind a sequence's end
  std::vector<std::int32_t> targets;  ///< [rows, length]; kIgnoredTarget where nothing is asked
};

/// Sequence `numbers[0]` of the set, `numbers[1]`, ...
RecallBatch recall_batch(const RecallSet& set, std::span<const std::int64_t> numbers);

/// Training sequence `number` ≥ 0 of an endless order: each epoch has every sequence once, in an order that is a function of
/// (seed, epoch).
std::int64_t recall_order(const RecallSet& set, std::uint64_t seed, std::int64_t number);

}  // namespace cosformer
