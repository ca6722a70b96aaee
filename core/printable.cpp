#include "core/printable.h"

#include <algorithm>

#include "core/error.h"
#include "core/utf8.h"

namespace cosformer {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

VisibleUnit unit(std::size_t bytes, std::string_view shown) {
  VisibleUnit result{.bytes = bytes, .shown_bytes = shown.size()};
  std::ranges::copy(shown, result.shown.begin());
  return result;
}

/// What `text` begins with, on one line, and a sign that there is more; `marks`: characters to escape besides.
std::string visible_start(std::string_view text, std::size_t longest, std::string_view marks) {
  std::string shown;
  while (!text.empty() && shown.size() < longest) {
    if (marks.find(text[0]) != std::string_view::npos) shown += '\\';
    const VisibleUnit next = visible_unit(text);
    shown += next.text();
    text.remove_prefix(next.bytes);
  }
  return shown + (text.empty() ? "" : "…");
}

}  // namespace

VisibleUnit visible_unit(std::string_view text) {
  const std::size_t length = utf8_length(text.substr(0, 4));
  if (length == 0) {
    const auto byte = static_cast<unsigned char>(text[0]);
    const std::array<char, 4> escape = {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    return unit(1, {escape.data(), escape.size()});
  }
  const char32_t code = utf8_decode(text.substr(0, length));
  if (code == '\n') return unit(length, "\\n");
  if (code == '\r') return unit(length, "\\r");
  if (code == '\t') return unit(length, "\\t");
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
    const std::array<char, 6> escape = {'\\', 'u', '0', '0', kDigits[code >> 4], kDigits[code & 15]};
    return unit(length, {escape.data(), escape.size()});
  }
  return unit(length, text.substr(0, length));
}

std::string visible(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const VisibleUnit next = visible_unit(text);
    shown += next.text();
    text.remove_prefix(next.bytes);
  }
  return shown;
}

std::string visible_lines(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\n\t"), text.size());
    shown += visible(text.substr(0, end));
    if (end < text.size()) shown += text[end];
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return shown;
}

std::string printable(std::string_view text) { return concat('"', visible_start(text, kLongestQuoted, "\"\\"), '"'); }

std::string visible_start(std::string_view text, std::size_t longest) { return visible_start(text, longest, ""); }

std::string printable_list(std::span<const std::string_view> texts) {
  constexpr std::size_t kMostShown = 10;
  std::string list;
  for (const std::string_view text : texts.first(std::min(texts.size(), kMostShown)))
    list += concat(list.empty() ? "" : ", ", printable(text));
  return texts.size() > kMostShown ? concat(list, " and ", texts.size() - kMostShown, " more") : list;
}

}  // namespace cosformer
