#pragma once
/// \file
/// Random numbers one after another.

#include <cstdint>

#include "core/random.h"

namespace cosformer {

/// The random numbers of one example: a pure function of (seed, purpose, index) and of how many were drawn.
class Draws {
 public:
  Draws(const Random& random, std::uint64_t index) : random_(random), index_(index) {}

  /// In [0, 1).
  double uniform() { return random_.uniform(index_, next_++); }
  /// In [0, bound); `bound` > 0.
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound, index_, next_++); }

 private:
  const Random& random_;
  std::uint64_t index_;
  std::uint64_t next_ = 0;
};

}  // namespace cosformer
