#pragma once
/// \file
/// A text file as token ids, for language modelling.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/checksum.h"
#include "data/mapped_file.h"
#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// Sizes of a text that do not depend on a tokenizer.
struct TextStatistics {
  std::int64_t bytes = 0;
  std::int64_t lines = 0;  ///< newlines
  /// Words parted by blanks, and one `<eos>` for each newline: what WikiText's perplexity per word divides by.
  std::int64_t words = 0;
};
TextStatistics text_statistics(std::string_view text);

struct TextCorpus {
  std::vector<std::int32_t> tokens;  ///< in [0, vocab_size) of the tokenizer
  TextStatistics statistics;
  Digest content;      ///< of the file
  std::string remark;  ///< what a user should know of the file, one line that begins with its path; empty = nothing
};

/// A text file's bytes. Throws InputError with the path if it cannot be read or is compressed: a model of the
/// compressed bytes would learn nothing.
MappedFile open_text(const std::filesystem::path& path);
/// A tokenizer's message about a file's text, which may begin with "LINE:COLUMN: ".
std::string text_error(const std::filesystem::path& path, std::string_view message);

/// Reads a plain text or WikiText's `.tokens` file. Throws InputError with the path if it cannot be read, if the
/// tokenizer refuses its text, if it is compressed, and if it has fewer than two tokens: nothing could be
/// predicted.
TextCorpus load_text_corpus(const std::filesystem::path& path, const Tokenizer& tokenizer);

}  // namespace cosformer
