#pragma once
/// \file
/// Checks on the text of a TOML file that come before its parser.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "train/config/toml.h"

namespace cosformer {

/// `text` (valid UTF-8) with '?' for each code point beyond ASCII.
std::string ascii_copy(std::string_view text);

/// Line and column of the byte at `offset`.
TomlPosition position_of(std::string_view text, std::size_t offset);

/// Offset of the first dot that gives a key outside strings and comments more than `max_depth` parts. Text that is not
/// TOML may be misread; it counts at least what a parser sees before it finds the mistake.
std::optional<std::size_t> too_deep_key(std::string_view text, std::size_t max_depth);

/// Offset of the first code point beyond ASCII or backslash that comes right after a line continuation (a backslash at the
/// end of a line, and blanks).
std::optional<std::size_t> unsafe_after_continuation(std::string_view text);

}  // namespace cosformer
