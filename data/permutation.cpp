#include "data/permutation.h"

#include "core/error.h"

namespace cosformer {

Permutation::Permutation(std::int64_t size, std::uint64_t seed, std::string_view purpose, std::int64_t number)
    : random_(seed, purpose), size_(size), number_(static_cast<std::uint64_t>(number)) {
  check<Error>(size >= 1 && size <= std::int64_t{1} << 62, "a permutation of ", size, " elements");
  while (std::int64_t{1} << (2 * half_bits_) < size) ++half_bits_;
}

std::int64_t Permutation::operator()(std::int64_t place) const {
  check<Error>(place >= 0 && place < size_, "place ", place, " of a permutation of ", size_, " elements");
  constexpr std::uint64_t kRounds = 6;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  auto value = static_cast<std::uint64_t>(place);
  do {
    std::uint64_t left = value >> half_bits_, right = value & mask;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      const std::uint64_t mixed = left ^ (random_.bits((round << 32) | right, number_) & mask);
      left = right;
      right = mixed;
    }
    value = (left << half_bits_) | right;
  } while (value >= static_cast<std::uint64_t>(size_));
  return static_cast<std::int64_t>(value);
}

}  // namespace cosformer
