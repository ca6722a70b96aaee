#pragma once
/// \file
/// What comes from outside (names, tokens, paths, values of configs) as a terminal or a log may show it.
///
/// A terminal obeys control characters: text from a file could recolour, overwrite or rename what stands on the screen, and
/// some terminals answer with input of their own. All that this program prints goes through here.

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace cosformer {

/// The start of a text as it is shown.
struct VisibleUnit {
  std::size_t bytes = 0;        ///< of the text
  std::size_t shown_bytes = 0;  ///< of `shown`
  std::array<char, 8> shown{};
  std::string_view text() const { return {shown.data(), shown_bytes}; }
};

/// The first character of `text` (not empty). Control characters (C0, DEL, C1) become escapes as JSON and TOML have them
/// (\n, \u001b); a byte that belongs to no UTF-8 character becomes \x9b. Allocates nothing: a signal handler may call it.
VisibleUnit visible_unit(std::string_view text);

/// `text` on one line.
std::string visible(std::string_view text);

/// `text` with its line breaks and tabs.
std::string visible_lines(std::string_view text);

/// Bytes after which a text of a message is cut.
constexpr std::size_t kLongestQuoted = 80;

/// `text` as a string of a message: "…", on one line, quotation marks and backslashes escaped, long text cut.
std::string printable(std::string_view text);

/// `text` on one line, cut where it has `longest` bytes or, within a character, a few more. Adds no quotation marks.
std::string visible_start(std::string_view text, std::size_t longest = kLongestQuoted);

/// `printable` of each text, parted by commas: of more than ten the first ten, and how many follow.
std::string printable_list(std::span<const std::string_view> texts);

}  // namespace cosformer
