#pragma once
/// \file
/// UTF-8 in texts: writing code points, and where a text is at fault.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/utf8.h"

namespace cosformer {

/// One more than the largest code point.
inline constexpr char32_t kCodePoints = 0x110000;

/// Appends the sequence of `code_point` (below `kCodePoints`) to `text`.
void append_utf8(std::string& text, char32_t code_point);

/// The first byte that belongs to no well-formed sequence, or npos.
std::size_t find_invalid_utf8(std::string_view text);

/// "LINE:COLUMN" of a byte, both from 1, the column in bytes.
std::string line_and_column(std::string_view text, std::size_t offset);

}  // namespace cosformer
