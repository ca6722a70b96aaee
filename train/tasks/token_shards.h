#pragma once
/// \file
/// The files of a token cache: shards that are written one after the other, each whole or not at all.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "data/text_corpus.h"
#include "train/store/file_system.h"

namespace cosformer {

/// Told the bytes of text that have been read, while a cache is made.
using CacheProgress = std::function<void(std::int64_t bytes)>;

/// Some parts of a corpus as a `TokenReader` gives them. Its files are shard-NNNNN.tokens, shard-NNNNN.starts (each
/// document's first token, counted from the begin of the corpus) and shard-NNNNN.json, which says the rest and comes last.
struct TokenShard {
  std::int64_t parts = 0;
  Digest tokens, starts;
};

/// The shards of a folder up to the first that is missing or does not fit its checksums, which all threads compare.
std::vector<TokenShard> whole_shards(const std::filesystem::path& folder);

/// A corpus that has been written.
struct WrittenCorpus {
  CorpusFacts facts;
  std::size_t shards = 0;
};

/// Goes on behind the folder's whole shards, whose texts are read but not encoded again, and removes what is not whole. A
/// shard ends with the part that fills `shard_bytes` of tokens. Throws InputError as `load_text_corpus` does, and
/// Error if the disk refuses.
WrittenCorpus write_shards(FileSystem& system, const std::filesystem::path& folder, const CorpusFiles& files,
                           const Tokenizer& tokenizer, std::uint64_t shard_bytes, const CacheProgress& progress);

/// The numbers of whole shards, which stay on the disk.
TokenArray shard_tokens(const std::filesystem::path& folder, std::size_t shards, int width);
DocumentStarts shard_starts(const std::filesystem::path& folder, std::size_t shards);

/// Bytes of a token of this tokenizer in a shard.
int token_width(const Tokenizer& tokenizer);

}  // namespace cosformer
