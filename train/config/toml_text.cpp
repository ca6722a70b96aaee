#include "train/config/toml_text.h"

#include <algorithm>

#include "data/utf8.h"

namespace cosformer {

namespace {

/// The first offset after the string that opens at `i`. A string of one line ends with its line at the latest.
std::size_t skip_string(std::string_view text, std::size_t i) {
  const char quote = text[i];
  const bool escapes = quote == '"';
  const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
  if (text.substr(i, 3) != triple) {
    for (++i; i < text.size() && text[i] != '\n'; ++i) {
      if (text[i] == quote) return i + 1;
      if (escapes && text[i] == '\\' && i + 1 < text.size() && text[i + 1] != '\n') ++i;
    }
    return i;
  }
  for (i += 3; i < text.size(); ++i) {
    if (escapes && text[i] == '\\') {
      ++i;
    } else if (text.substr(i, 3) == triple) {
      i += 3;
      // Up to two quotes may stand right before the closing three.
      for (int extra = 0; extra < 2 && i < text.size() && text[i] == quote; ++extra) ++i;
      return i;
    }
  }
  return text.size();
}

}  // namespace

std::string ascii_copy(std::string_view text) {
  std::string copy;
  copy.reserve(text.size());
  while (!text.empty()) {
    const std::size_t count = utf8_length(text);
    copy += count == 1 ? text.front() : '?';
    text.remove_prefix(count);
  }
  return copy;
}

TomlPosition position_of(std::string_view text, std::size_t offset) {
  TomlPosition position{1, 1};
  for (const char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++position.line;
      position.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++position.column;
    }
  }
  return position;
}

std::optional<std::size_t> too_deep_key(std::string_view text, std::size_t max_depth) {
  std::size_t depth = 1;
  for (std::size_t i = 0; i < text.size();) {
    switch (text[i]) {
      case '"':
      case '\'':
        i = skip_string(text, i);
        continue;
      case '#':
        i = std::min(text.find('\n', i), text.size());
        continue;
      case '.':
        if (++depth > max_depth) return i;
        break;
      case '\n':
      case '=':
      case ',':
      case '[':
      case ']':
      case '{':
      case '}':
        depth = 1;
        break;
      default:
        break;
    }
    ++i;
  }
  return std::nullopt;
}

std::optional<std::size_t> unsafe_after_continuation(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  for (std::size_t i = text.find('\\'); i != std::string_view::npos; i = text.find('\\', i)) {
    const std::size_t blanks = ++i;
    i = std::min(text.find_first_not_of(kBlanks, i), text.size());
    const bool continues = text.substr(blanks, i - blanks).find('\n') != std::string_view::npos;
    if (continues && i < text.size() && (text[i] == '\\' || static_cast<unsigned char>(text[i]) >= 0x80)) return i;
  }
  return std::nullopt;
}

}  // namespace cosformer
