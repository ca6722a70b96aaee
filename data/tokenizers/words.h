#pragma once
/// \file
/// Lines and blank-separated words.

#include <string_view>

namespace cosformer {

/// What parts words: space, tab, carriage return, vertical tab, form feed.
constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

/// Calls `on_word(word)` for every run of bytes without blanks and `on_line_end()` at every newline, in text order.
template <class OnWord, class OnLineEnd>
void for_each_word(std::string_view text, OnWord on_word, OnLineEnd on_line_end) {
  std::size_t i = 0;
  while (i < text.size()) {
    if (text[i] == '\n') {
      on_line_end();
      ++i;
    } else if (is_blank(text[i])) {
      ++i;
    } else {
      const std::size_t begin = i;
      while (i < text.size() && text[i] != '\n' && !is_blank(text[i])) ++i;
      on_word(text.substr(begin, i - begin));
    }
  }
}

}  // namespace cosformer
