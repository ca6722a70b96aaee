#pragma once
/// \file
/// UTF-8: which bytes are well-formed, and their code points.

#include <cstddef>
#include <string_view>

namespace cosformer {

/// Bytes (1 to 4) of the well-formed sequence that `text` starts with; 0 if it starts with none (overlong forms,
/// surrogates, numbers above U+10FFFF, a lone or missing continuation byte, or the end). Source: Unicode, table 3-7.
std::size_t utf8_length(std::string_view text);

/// The code point of a well-formed sequence.
char32_t utf8_decode(std::string_view sequence);

}  // namespace cosformer
