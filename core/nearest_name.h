#pragma once
/// \file
/// The valid name that a mistyped one most likely means, for error messages.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cosformer {

/// Damerau-Levenshtein distance in the restricted form (optimal string alignment): the least number of bytes to insert,
/// delete, replace or swap with their neighbour, no byte being touched twice. O(|a|·|b|) time.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate with the least `edit_distance` to `name` (the first of several), if that is at most a third of the
/// longer of the two names, rounded up; otherwise nothing. Names over 64 bytes have no nearest name.
std::optional<std::string_view> nearest_name(std::string_view name, std::span<const std::string_view> candidates);

/// The end of an error message: `; did you mean "x"?` if there is a nearest name, otherwise `; expected one of a, b, c`.
std::string name_hint(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace cosformer
