#pragma once
/// \file
/// The length that costs are reckoned with if a task's sequences have many lengths.

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace cosformer {

/// The length of the sequence that a token stands in, in the mean over tokens: what a token of quadratic attention costs is
/// in proportion to it.
class TokenWeightedLength {
 public:
  void add(std::size_t length) {
    tokens_ += static_cast<double>(length);
    squares_ += static_cast<double>(length) * static_cast<double>(length);
  }
  /// Of the lengths so far, of which at least one is not 0, rounded.
  std::int64_t value() const { return std::llround(squares_ / tokens_); }

 private:
  double tokens_ = 0, squares_ = 0;
};

}  // namespace cosformer
