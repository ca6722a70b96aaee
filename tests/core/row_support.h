#pragma once
/// \file
/// Rows for the loops of every instruction set of this machine.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <vector>

#include "core/simd/row_loops.h"
#include "tests/catch.h"

namespace cosformer::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The tables of the instruction sets that this machine has.
inline std::vector<const RowLoops<float>*> tables() {
  std::vector<const RowLoops<float>*> found;
  for (const char* name : simd::kInstructionSets) {
    if (const RowLoops<float>* loops = simd::row_loops(name)) found.push_back(loops);
  }
  return found;
}

/// A row that starts at any alignment, between guards that nothing may change.
class GuardedRow {
 public:
  GuardedRow(const std::vector<float>& values, std::int64_t offset) : offset_(offset), size_(std::ssize(values)) {
    memory_.assign(static_cast<std::size_t>(offset + size_ + 32), kGuard);
    std::ranges::copy(values, memory_.begin() + offset);
  }
  float* data() { return memory_.data() + offset_; }
  std::vector<float> values() const { return {memory_.begin() + offset_, memory_.begin() + offset_ + size_}; }
  bool guards_intact() const {
    for (std::int64_t i = 0; i < std::ssize(memory_); ++i) {
      if ((i < offset_ || i >= offset_ + size_) && memory_[static_cast<std::size_t>(i)] != kGuard) return false;
    }
    return true;
  }

 private:
  static constexpr float kGuard = 12345.0F;
  std::int64_t offset_, size_;
  std::vector<float> memory_;
};

/// Calls `check(loops, n, offset)` for every instruction set of this machine, length and alignment.
template <class Check>
void for_each_row(Check&& check) {
  for (const RowLoops<float>* loops : tables()) {
    for (std::int64_t n = 0; n <= 70; ++n) {
      CAPTURE(loops->name, n);
      check(*loops, n, n % 4);
    }
    for (const std::int64_t n : {1000, 4096, 4099, 10007}) {
      CAPTURE(loops->name, n);
      check(*loops, n, n % 4 + 1);
    }
  }
}

}  // namespace cosformer::test
