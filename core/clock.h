#pragma once
/// \file
/// The clock of all durations.

#include <chrono>

namespace cosformer {

/// Seconds on a clock that never runs backwards, since a moment of its own.
inline double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace cosformer
