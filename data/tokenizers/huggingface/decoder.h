#pragma once
/// \file
/// The "decoder" of a tokenizer.json: from tokens back to a text.

#include <functional>
#include <string>
#include <vector>

#include "data/tokenizers/huggingface/json_part.h"

namespace cosformer {

/// Spellings of tokens -> parts of a text, which are joined. Bytes of a character that was cut come out as they are.
/// Thread-safe.
using TokenDecoder = std::function<std::vector<std::string>(std::vector<std::string>)>;

/// Throws InputError that names a component or a setting that this program does not have.
TokenDecoder read_token_decoder(const JsonPart& part);

}  // namespace cosformer
