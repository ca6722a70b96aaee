#pragma once
/// \file
/// The middle of some numbers.

#include <algorithm>
#include <vector>

namespace cosformer {

/// The middle value, the mean of both in the middle of an even number. `values` is not empty and holds no NaN.
inline double median(std::vector<double> values) {
  const std::size_t middle = values.size() / 2;
  std::ranges::sort(values);
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

}  // namespace cosformer
