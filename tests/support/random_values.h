#pragma once
/// \file
/// Inputs for tests: the same numbers on every run and machine.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cosformer::test {

/// `count` numbers, uniform in [low, high), that depend on `seed` alone (SplitMix64, not the library's generator).
template <class T>
std::vector<T> random_values(std::int64_t count, std::uint64_t seed, double low = -1, double high = 1) {
  std::vector<T> values(static_cast<std::size_t>(count));
  std::uint64_t state = seed * 0x2545f4914f6cdd1dULL + 1;
  for (T& value : values) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    value = static_cast<T>(low + (high - low) * static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53);
  }
  return values;
}

}  // namespace cosformer::test
