#pragma once
/// \file
/// Where a backward kernel puts a gradient.

#include <algorithm>
#include <cstdint>

namespace cosformer {

/// A contiguous array for a gradient. Every backward kernel takes its results in this way.
template <class T>
struct Gradient {
  T* data = nullptr;  ///< null = not wanted: the kernel leaves it out
  bool add = false;   ///< the kernel adds to what `data` holds; otherwise it writes, whatever `data` holds
};

/// The array, ready to be added to: zeros unless `add`. Null if the gradient is not wanted.
template <class T>
T* begin_sum(const Gradient<T>& gradient, std::int64_t size) {
  if (gradient.data != nullptr && !gradient.add) std::fill_n(gradient.data, size, T{0});
  return gradient.data;
}

}  // namespace cosformer
