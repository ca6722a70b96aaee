#pragma once
/// \file
/// Token ids of corpora on disk: made once, mapped by every run and rank that reads the same texts with the same tokenizer.

#include <filesystem>
#include <functional>

#include "data/text_corpus.h"

namespace cosformer {

/// Told the bytes of text that have been encoded, while a cache is made.
using CacheProgress = std::function<void(std::int64_t bytes)>;

/// The corpus from its cache in `folder`, which is made first if it is missing or damaged. A cache is a folder whose name
/// follows from the contents of the files, of the tokenizer's files and from `text_key`; it appears whole or not at all, and
/// its checksums are compared when it is read. The ids are mapped, not read into memory. Throws InputError as
/// `load_text_corpus`, and Error if the cache cannot be written.
TextCorpus load_cached_corpus(const CorpusFiles& files, const Tokenizer& tokenizer, const std::filesystem::path& folder,
                              const CacheProgress& progress = {});

/// Where that cache lies, or will. Throws InputError for files that cannot be read.
std::filesystem::path cache_path(const CorpusFiles& files, const Tokenizer& tokenizer, const std::filesystem::path& folder);

}  // namespace cosformer
