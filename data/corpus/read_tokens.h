#pragma once
/// \file
/// A corpus as token ids, part by part.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
  TextStatistics statistics;    ///< of the texts that are learnt
  std::int64_t documents = 0;   ///< lines of JSON, or files
  Digest content;               ///< of the unpacked files
  std::int64_t json_file = -1;  ///< the first file that is read as plain text and begins with JSON; -1: none does
};

/// What a user should know of the corpus, one line that begins with a path; empty = nothing.
std::string corpus_remark(const CorpusFacts& facts, const CorpusFiles& corpus);

/// Token ids that follow one another in a corpus.
struct TokenPart {
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t> starts;  ///< places in `ids` at which documents begin, or ids.size()
};

/// Reads the files and encodes their texts on all threads, in memory that does not grow with the corpus if the tokenizer
/// lets plain texts be cut. Parts and ids are a function of the texts: they do not depend on the number of threads.
class TokenReader {
 public:
  /// Both must outlive the reader.
  TokenReader(const CorpusFiles& corpus, const Tokenizer& tokenizer);

  /// The next part; nothing at the end. Throws InputError with the file, and with line and column if the tokenizer refuses a
  /// text: also for a plain text that is empty.
  std::optional<TokenPart> next();
  /// Goes over the next part without encoding it; false at the end. Throws InputError as `next` does.
  bool skip();
  /// Of the parts so far.
  CorpusFacts facts() const;

 private:
  /// A text, with a tokenizer's part of the work before it.
  struct Document {
    std::string text;
    const std::filesystem::path* file;
    std::int64_t line;
  };
  /// Reads the texts of the next part; those of plain texts stay in `block_`. False at the end.
  bool read();
  void note_plain();

  const CorpusFiles& corpus_;
  const Tokenizer& tokenizer_;
  CorpusBlocks blocks_;
  CorpusFacts facts_;
  const std::filesystem::path* file_ = nullptr;
  std::optional<TextBlock> block_;
  bool begins_file_ = false;         ///< `block_` does
  std::vector<Document> documents_;  ///< lines of JSON that are encoded together
};

/// A tokenizer's message about a text that begins at `line` and `column` of a file; the message may begin with
/// "LINE:COLUMN: ".
std::string text_error(const std::filesystem::path& path, std::string_view message, std::int64_t line = 1,
                       std::int64_t column = 1);

}  // namespace cosformer
