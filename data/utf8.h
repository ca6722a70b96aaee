#pragma once
/// \file
/// UTF-8: which bytes are well-formed, and their code points.

#include <cstddef>
#include <string>
#include <string_view>

namespace cosformer {

/// One more than the largest code point.
inline constexpr char32_t kCodePoints = 0x110000;

/// Bytes (1 to 4) of the well-formed sequence that `text` starts with; 0 where it starts with none (overlong forms,
/// surrogates, numbers above U+10FFFF, a lone or missing continuation byte, or the end). Source: Unicode, table 3-7.
std::size_t utf8_length(std::string_view text);

/// The code point of a well-formed sequence.
char32_t utf8_decode(std::string_view sequence);

/// Appends the sequence of `code_point` (below `kCodePoints`) to `text`.
void append_utf8(std::string& text, char32_t code_point);

/// The first byte that belongs to no well-formed sequence, or npos.
std::size_t find_invalid_utf8(std::string_view text);

/// "LINE:COLUMN" of a byte, both from 1, the column in bytes.
std::string line_and_column(std::string_view text, std::size_t offset);

}  // namespace cosformer
