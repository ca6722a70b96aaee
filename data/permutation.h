#pragma once
/// \file
/// A random order of 0 ... size - 1 in which every place can be looked up alone.

#include <cstdint>

#include "core/random.h"

namespace cosformer {

/// A permutation that is a pure function of (seed, purpose, number): no array, nothing to save or restore.
/// Source: a Feistel network on the next power of four with Philox as round function, followed until it returns into
/// [0, size) ("cycle walking": Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
class Permutation {
 public:
  /// `number` picks one of the seed's permutations, such as an epoch's. Throws Error unless 1 <= size <= 2^62.
  Permutation(std::int64_t size, std::uint64_t seed, std::string_view purpose, std::int64_t number);

  std::int64_t size() const { return size_; }
  /// The element at `place`, 0 <= place < size. Expected time O(1).
  std::int64_t operator()(std::int64_t place) const;

 private:
  Random random_;
  std::int64_t size_;
  std::uint64_t number_;
  int half_bits_ = 3;  // of fewer bits the network's orders are not equally likely
};

}  // namespace cosformer
