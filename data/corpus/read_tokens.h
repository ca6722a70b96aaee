#pragma once
/// \file
/// A corpus as token ids, piece by piece.

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/checksum.h"
#include "data/corpus/text_blocks.h"
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

/// What is known of a corpus when it has been read.
struct CorpusFacts {
  TextStatistics statistics;   ///< of the texts that are learnt
  std::int64_t documents = 0;  ///< lines of JSON, or files
  Digest content;              ///< of the unpacked files
  std::string remark;          ///< what a user should know, one line that begins with a path; empty = nothing
};

/// Told the ids of the texts in order.
using TokenReceiver = std::function<void(std::span<const std::int32_t> ids)>;
/// Told the bytes of text that have become ids, now and then.
using TokenProgress = std::function<void(std::int64_t bytes)>;

/// Reads the files and encodes their texts on all threads, in memory that does not grow with the corpus if the tokenizer
/// lets plain texts be cut. Ids do not depend on the number of threads. Throws InputError with the file, and with line and
/// column if the tokenizer refuses a text: also for a plain text that is empty.
CorpusFacts read_tokens(const CorpusFiles& corpus, const Tokenizer& tokenizer, const TokenReceiver& receive,
                        const TokenProgress& progress = {});

/// A tokenizer's message about a text that begins at `line` and `column` of a file; the message may begin with
/// "LINE:COLUMN: ".
std::string text_error(const std::filesystem::path& path, std::string_view message, std::int64_t line = 1,
                       std::int64_t column = 1);

}  // namespace cosformer
