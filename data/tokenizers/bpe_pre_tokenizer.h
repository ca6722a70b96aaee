#pragma once
/// \file
/// The two fixed parts of byte-level BPE: the cut of a text into words, and the spelling of bytes in its files.
///
/// Source: Radford et al. 2019 (GPT-2), github.com/openai/gpt-2, src/encoder.py.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/pattern.h"

namespace cosformer {

/// Cuts text with GPT-2's pattern: English contractions, or an optional blank and a run of letters, digits or other
/// signs, or a run of white space.
///
/// Any bytes are allowed: a maximal run of bytes that are not UTF-8 is a word of its own, and the text before and after
/// it is cut as if it stood alone. The words in order are the whole text.
class BpePreTokenizer {
 public:
  BpePreTokenizer();

  /// Views of `text`. Thread-safe.
  std::vector<std::string_view> split(std::string_view text) const;

  /// True if cutting `text` before byte p (0 < p < size) changes no word.
  static bool may_cut(std::string_view text, std::size_t p);

 private:
  void split_utf8(std::string_view text, std::vector<std::string_view>& words) const;
  Pattern pattern_;
};

/// How GPT-2's files spell a token: each byte as a visible character (a blank as U+0120).
std::string spell_bytes(std::string_view bytes);

/// The bytes of a spelling; nothing where a character stands for no byte.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

}  // namespace cosformer
