#pragma once
/// \file
/// What ListOps expressions come to.

#include <cstdint>
#include <span>
#include <string>

namespace cosformer {

/// What the operator of `kListopsTokens` with this place makes of its arguments, which may be reordered: the smallest, the
/// largest, the median (of an even number the mean of the middle two, rounded down), the sum modulo 10.
int apply_listops(std::size_t operation, std::span<int> arguments);

/// An expression's digit, or why it has none.
struct ListopsValue {
  int value = -1;     ///< 0 to 9; negative if the expression is malformed
  std::string fault;  ///< empty unless it is
};

/// Evaluates ids of `kListopsTokens`. Ids outside the table are a fault.
ListopsValue evaluate_listops(std::span<const std::int32_t> tokens);

}  // namespace cosformer
