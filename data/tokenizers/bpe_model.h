#pragma once
/// \file
/// The vocabulary and merge rules of byte-level BPE, and their two files.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// Most merge rules of a model.
inline constexpr std::int64_t kMaxMerges = std::int64_t{1} << 21;

/// Two neighbouring tokens that become one.
struct BpeMerge {
  std::int32_t left, right, merged;
  bool operator==(const BpeMerge&) const = default;
};

/// Tokens as the files spell them (see `spell_bytes`), by id, and the rules, most important first.
struct BpeModel {
  std::vector<std::string> tokens;
  std::vector<BpeMerge> merges;
};

/// Reads `vocab.json` and `merges.txt` as GPT-2 and RoBERTa publish them. Each line of `merges.txt` is two tokens parted
/// by one blank, both of which and their concatenation must be in the vocabulary; a first line "#version..." is skipped.
/// Throws InputError with file and line or token.
BpeModel read_bpe_model(const std::filesystem::path& folder);

/// The files that `read_bpe_model` reads.
TokenizerFiles files_of(const BpeModel& model);

}  // namespace cosformer
