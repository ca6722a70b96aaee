#pragma once
/// \file
/// How a text is cut into training windows, epoch after epoch.

#include <cstdint>

namespace cosformer {

/// The positions [begin, end) of a text, and the epoch that they are read in.
struct TextWindow {
  std::int64_t epoch = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Training windows of a text of `size` positions, numbered 0, 1, 2 ... without end.
///
/// Each epoch cuts all positions into windows of `length` at boundaries that (seed, epoch) shifts, so that the first and the
/// last window may be short, and orders the windows by a permutation of (seed, epoch). Every position occurs exactly once an
/// epoch, every epoch has the same number of windows, and every window is a pure function of (size, length, seed, number).
class TextWindows {
 public:
  /// Throws InputError if length < 1. `size` > 0.
  TextWindows(std::int64_t size, std::int64_t length, std::uint64_t seed);

  /// Windows that every epoch has.
  std::int64_t windows_in_epoch() const { return windows_in_epoch_; }
  /// Window `number` ≥ 0 of the training order.
  TextWindow operator()(std::int64_t number) const;

 private:
  /// Length of the first window in an epoch.
  std::int64_t first_length(std::int64_t epoch) const;

  std::int64_t size_, length_;
  std::uint64_t seed_;
  std::int64_t windows_in_epoch_ = 1;
  std::int64_t least_first_ = 0, most_first_ = 0;  // first_length's range
};

}  // namespace cosformer
