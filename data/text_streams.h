#pragma once
/// \file
/// How a text is cut into streams that are read side by side, window by window.

#include <cstdint>

#include "data/text_windows.h"

namespace cosformer {

/// Training windows of a text of `size` positions in `streams` streams, numbered 0, 1, 2 ... without end: window r of step
/// s, which is window s · streams + r, holds the next `length` positions of stream r.
///
/// In each epoch a stream is a stretch of the text, and stream r + 1 begins where stream r ends. All have the same number of
/// windows, and every window is full: fewer than streams · length positions are left out at the text's ends, at which of
/// them is a matter of (seed, epoch). A window is a pure function of (size, length, streams, seed, number).
class TextStreams {
 public:
  /// Throws InputError if a number is less than 1, or if the text has no window for each stream.
  TextStreams(std::int64_t size, std::int64_t length, std::int64_t streams, std::uint64_t seed);

  std::int64_t streams() const { return streams_; }
  /// Positions of a window.
  std::int64_t length() const { return length_; }
  /// Windows of all streams in an epoch.
  std::int64_t windows_in_epoch() const { return windows_ * streams_; }
  /// Positions of a stream in an epoch.
  std::int64_t stream_length() const { return windows_ * length_; }
  /// Positions that an epoch leaves out.
  std::int64_t left_out() const { return size_ - streams_ * stream_length(); }

  /// Window `number` ≥ 0.
  TextWindow operator()(std::int64_t number) const;
  /// Positions of its stream before it, in its epoch.
  std::int64_t before(std::int64_t number) const { return number % windows_in_epoch() / streams_ * length_; }

 private:
  std::int64_t size_, length_, streams_;
  std::uint64_t seed_;
  std::int64_t windows_ = 0;  ///< of a stream in an epoch
};

}  // namespace cosformer
