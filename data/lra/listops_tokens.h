#pragma once
/// \file
/// The tokens of ListOps and their ids.

#include <array>
#include <cstdint>
#include <string_view>

namespace cosformer {

/// A token's id is its place here plus 1; id 0 is padding. Parentheses, which only say how the text was nested, are no
/// tokens.
inline constexpr std::array<std::string_view, 15> kListopsTokens{"[MIN", "[MAX", "[MED", "[SM", "]", "0", "1", "2",
                                                                 "3",    "4",    "5",    "6",   "7", "8", "9"};
inline constexpr std::uint8_t kListopsFirstOperator = 1;
inline constexpr std::uint8_t kListopsOperators = 4;
inline constexpr std::uint8_t kListopsClose = 5;
inline constexpr std::uint8_t kListopsFirstDigit = 6;
inline constexpr std::int64_t kListopsVocabSize = 1 + kListopsTokens.size();
inline constexpr std::int64_t kListopsClasses = 10;
/// First line of a file.
inline constexpr std::string_view kListopsHeader = "Source\tTarget";

}  // namespace cosformer
