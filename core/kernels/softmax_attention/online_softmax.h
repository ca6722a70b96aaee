#pragma once
/// \file
/// The softmax of a row whose scores come tile by tile. Internal to the kernels of softmax attention.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/simd/row_loops.h"

namespace cosformer::detail {

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

/// Turns a row of scores into exp(s - new maximum) and returns what the earlier sums must be multiplied by.
template <class T>
T advance_row(T* scores, std::int64_t count, T* max, T* sum) {
  const T largest = std::max(*max, loops<T>().max(scores, count));
  if (largest == -kInfinity<T>) {
    // Nothing visible so far: exp(-inf - -inf) would be NaN; or nothing but NaN, which the output has to show.
    if (std::any_of(scores, scores + count, [](T score) { return std::isnan(score); })) {
      *max = *sum = std::numeric_limits<T>::quiet_NaN();
    } else {
      std::fill(scores, scores + count, T{0});
    }
    return 1;
  }
  const T correction = largest == *max ? T{1} : std::exp(*max - largest);
  *sum = *sum * correction + loops<T>().exp_sum(scores, T{1}, largest, scores, count);
  *max = largest;
  return correction;
}

}  // namespace cosformer::detail
