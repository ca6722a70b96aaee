#pragma once
/// \file
/// The "pre_tokenizer" of a tokenizer.json.

#include <functional>
#include <string>
#include <vector>

#include "data/tokenizers/huggingface/json_part.h"

namespace cosformer {

/// A word on its way from a text to tokens.
struct TextPiece {
  std::string text;  ///< valid UTF-8
  bool is_first;     ///< it stands at the very begin of the whole text
};

/// Pieces -> smaller pieces. Thread-safe.
using PreTokenizer = std::function<std::vector<TextPiece>(std::vector<TextPiece>)>;

/// Throws InputError that names a component or a setting that this program does not have.
PreTokenizer read_pre_tokenizer(const JsonPart& part);

/// Whether "prepend_scheme", or the older "add_prefix_space", of a Metaspace puts a mark before the first word, before each,
/// or never.
enum class PrependScheme : std::uint8_t { first, never, always };
PrependScheme prepend_scheme(const JsonPart& part);

}  // namespace cosformer
