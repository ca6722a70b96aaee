#pragma once
/// \file
/// Text to token ids and back.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cosformer {

/// Contents of files by name.
using TokenizerFiles = std::map<std::string, std::string>;

/// A fixed vocabulary and the rule that cuts text into its tokens. Immutable, so any number of threads may share one.
class Tokenizer {
 public:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  virtual ~Tokenizer() = default;

  /// The name in the registry, such as "bpe".
  virtual std::string_view kind() const = 0;
  /// Number of ids: every id is in [0, vocab_size).
  virtual std::int64_t vocab_size() const = 0;
  /// The ids of a text. Throws InputError (with LINE:COLUMN) if the tokenizer cannot read it.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  /// Whether the ids of `text` are those of the part before byte p (0 < p < size) and of the part from there on, and p parts
  /// no word from blanks. False if that is not known.
  virtual bool may_cut(std::string_view text, std::size_t p) const = 0;
  /// The text of ids. Throws InputError if an id is not below `vocab_size()`.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  /// The id of the token that is spelled so, a special one such as "<mask>" too; nothing if there is none, or if the kind
  /// has no tokens with a meaning of their own.
  virtual std::optional<std::int32_t> find_token(std::string_view) const { return {}; }
  /// The files that `load_tokenizer(kind(), folder)` reads. Equal tokenizers have equal files, however those are spelled
  /// that they were read from.
  virtual TokenizerFiles files() const = 0;
};

/// Writes a tokenizer's files into an existing folder. Throws InputError.
void write_files(const std::filesystem::path& folder, const TokenizerFiles& files);

/// What `train_tokenizer` may be told.
struct TokenizerOptions {
  /// Most ids the vocabulary may have, specials included; 0 = no limit. "bpe" needs it, "byte" ignores it.
  std::int64_t vocab_size = 0;
  /// A character or word (for "bpe" a pair of tokens, which must occur twice in any case) that is rarer than this in the
  /// training text does not enter the vocabulary.
  std::int64_t min_count = 1;
};

}  // namespace cosformer
