#pragma once
/// \file
/// Token ids of corpora on disk: made once, read by every run and rank that reads the same texts with the same tokenizer.

#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/text_corpus.h"
#include "train/tasks/token_shards.h"

namespace cosformer {

/// The cache of a corpus: a folder whose name follows from the contents of the files, of the tokenizer's files and from
/// `text_key`.
class TokenCache {
 public:
  /// Tokens of a file of the cache, in bytes, unless told otherwise.
  static constexpr std::uint64_t kShardBytes = std::uint64_t{256} << 20;

  /// Reads all files to know their contents; `tokenizer` must outlive this object. Throws InputError for files that cannot
  /// be read.
  TokenCache(CorpusFiles files, const Tokenizer& tokenizer, const std::filesystem::path& folder);

  /// Where it lies, or will.
  const std::filesystem::path& path() const { return path_; }

  /// The corpus, whose ids stay in the cache. What is missing of it or damaged is made first: it appears whole or not at
  /// all, its checksums are compared when it is read, and who was stopped while making it has left finished shards that the
  /// next one goes on from. Throws InputError as `load_text_corpus` does and for files that change meanwhile, and Error if
  /// the cache cannot be written.
  TextCorpus load(const CacheProgress& progress = {}, std::uint64_t shard_bytes = kShardBytes) const;

 private:
  /// What tells that a file is as it was, without reading it.
  struct Stamp {
    std::int64_t size, device, inode, seconds, nanoseconds;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  static Stamp stamp_of(const std::filesystem::path& file);
  void make(const CacheProgress& progress, std::uint64_t shard_bytes) const;

  CorpusFiles files_;
  const Tokenizer& tokenizer_;
  std::vector<Stamp> stamps_;
  std::filesystem::path path_;
};

}  // namespace cosformer
