#pragma once
/// \file
/// Our tokenizers as the files of Hugging Face's.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// tokenizer.json and tokenizer_config.json of a byte, byte-level BPE or Hugging Face tokenizer, with the same ids for every
/// text of valid UTF-8; nothing for the other kinds. `max_length` is the longest text that the model reads, in tokens.
std::optional<std::map<std::string, std::string>> tokenizer_json_files(const Tokenizer& tokenizer, std::int64_t max_length);

}  // namespace cosformer
