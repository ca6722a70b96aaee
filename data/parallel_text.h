#pragma once
/// \file
/// Texts in two languages, line by line: what translation learns from.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "data/special_tokens.h"
#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// The two files of a parallel text.
struct ParallelFiles {
  std::filesystem::path source, target;
};

/// `PREFIX.SOURCE` and `PREFIX.TARGET`, each plain or with `.gz` behind it (the plain one if both are there). Throws
/// InputError if one of them is missing.
ParallelFiles find_parallel_files(const std::filesystem::path& prefix, const std::string& source_language,
                                  const std::string& target_language);

/// Line i of `target` translates line i of `source`.
struct ParallelText {
  std::vector<std::string> source, target;
};

/// Reads both files. Throws InputError for a line that is not UTF-8 (file and line), for files with different numbers of
/// lines (both files and numbers) and for empty ones.
ParallelText load_parallel_text(const ParallelFiles& files);

/// Of one side: of its lines, each with a newline, however the file ends them and whether it is compressed.
Digest content_of(const std::vector<std::string>& lines);

/// Sentence pairs as token ids; source and target both end with `</s>`.
struct SentencePairs {
  std::vector<std::vector<std::int32_t>> source, target;
  std::vector<std::int64_t> lines;  ///< of each pair, from 0
  std::int64_t left_out = 0;        ///< pairs of the text that are not among these

  std::int64_t size() const { return static_cast<std::int64_t>(lines.size()); }
};

/// What becomes of a sentence of over `max_length` tokens, `</s>` included, and of one without any token of its own.
enum class UnfitSentences : std::uint8_t {
  leave_out,  ///< their pairs are left out and counted: training
  cut         ///< long ones lose their end, empty ones stay: evaluation reads every line
};

/// Throws InputError, begun with the file and line, for a sentence that the tokenizer cannot read, and if no pair stays.
SentencePairs tokenize_parallel_text(const ParallelText& text, const ParallelFiles& files, const Tokenizer& tokenizer,
                                     std::int64_t max_length, UnfitSentences unfit);

/// A sentence as the encoder reads it: its tokens and `</s>`, at most `max_length` together.
std::vector<std::int32_t> source_sentence(const std::string& text, const Tokenizer& tokenizer, std::int64_t max_length);

}  // namespace cosformer
