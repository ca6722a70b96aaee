#pragma once
/// \file
/// Unicode's properties and forms, as tokenizers ask for them. Texts are valid UTF-8.

#include <cstdint>
#include <string>
#include <string_view>

namespace cosformer::unicode {

/// The first code point of a text that is not empty, and its bytes.
struct CodePoint {
  char32_t value;
  std::size_t bytes;
};
CodePoint first_of(std::string_view text);

/// Calls `body(code point, its bytes)` for each.
template <class Body>
void for_each(std::string_view text, Body&& body) {
  while (!text.empty()) {
    const CodePoint point = first_of(text);
    body(point.value, text.substr(0, point.bytes));
    text.remove_prefix(point.bytes);
  }
}

bool is_white_space(char32_t c);      ///< the property White_Space
bool is_control(char32_t c);          ///< categories Cc, Cf, Cn and Co
bool is_punctuation(char32_t c);      ///< ASCII's punctuation and symbols, and the categories P
bool is_number(char32_t c);           ///< categories N
bool is_mark(char32_t c);             ///< categories M
bool is_nonspacing_mark(char32_t c);  ///< category Mn
bool is_ideograph(char32_t c);        ///< CJK ideographs, as BERT sets them apart

enum class Form : std::uint8_t { nfc, nfd, nfkc, nfkd };
std::string normalize(std::string_view text, Form form);
/// Each code point's full lower case, without regard to its neighbours.
std::string lowercase(std::string_view text);

/// `bytes` with each sequence that is not UTF-8 replaced by U+FFFD, as many as Python's errors="replace" makes of it.
std::string replace_invalid(std::string_view bytes);

}  // namespace cosformer::unicode
