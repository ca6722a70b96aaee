#pragma once
/// \file
/// The texts of a corpus, block by block, in bounded memory.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/checksum.h"
#include "data/corpus/byte_source.h"

namespace cosformer {

/// What a corpus is made of.
struct CorpusFiles {
  std::vector<std::filesystem::path> files;
  std::string text_key;  ///< of objects of JSON lines; empty: the files are plain texts
};

/// A text's next part. Blocks of JSON lines are whole documents, a line break behind each.
struct TextBlock {
  std::string_view text;  ///< valid until the next block
  const std::filesystem::path* file = nullptr;
  std::int64_t line = 1;    ///< where it begins in its file
  std::int64_t column = 1;  ///< in bytes
  bool is_whole = false;    ///< a document of its own
};

/// Reads the files one after the other.
class CorpusBlocks {
 public:
  /// Whether a plain text may be cut before byte p.
  using MayCut = std::function<bool(std::string_view text, std::size_t p)>;

  /// A plain text is cut where `may_cut` allows, at `block_bytes` or as soon after it as that is; if it never does, a block
  /// is a whole file.
  CorpusBlocks(CorpusFiles corpus, MayCut may_cut, std::size_t block_bytes = std::size_t{1} << 24);

  /// The next block, not empty; nothing at the end. Throws InputError with file and, of JSON lines, line: unreadable files,
  /// what is no object, an object without the key or with another value than a text.
  std::optional<TextBlock> next();
  /// Of all bytes that were read so far, as they stand in the unpacked files.
  Digest digest() const { return digest_.digest(); }

 private:
  /// Fills `buffer_` by another `block_bytes_`; false at the end of the file.
  bool fill();
  std::optional<TextBlock> next_plain();
  std::optional<TextBlock> next_document();
  void count_lines(std::string_view text);

  CorpusFiles corpus_;
  MayCut may_cut_;
  std::size_t block_bytes_;
  std::size_t file_ = 0;  ///< index of the file that is open or next
  std::unique_ptr<ByteSource> source_;
  bool at_end_ = false;
  std::string buffer_;     ///< read and not yet given
  std::size_t given_ = 0;  ///< of `buffer_`
  std::string document_;
  DigestBuilder digest_;
  std::int64_t line_ = 1, column_ = 1;
};

/// The text of a line of JSON: the value of `key` of an object. Throws InputError without a place.
std::string text_of_json(std::string_view line, const std::string& key);

}  // namespace cosformer
