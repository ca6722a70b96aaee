#pragma once
/// \file
/// Counter-based random numbers: every value is a pure function of (seed, stream, index).
///
/// There is no state to save, restore or share: the same element gets the same value on any number of threads and
/// after any resume. Source: Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

#include <array>
#include <cstdint>
#include <string_view>

namespace cosformer {

/// A stream's number from its name, such as "init/decoder.layers.0.fc1.weight" (FNV-1a, 64 bits).
constexpr std::uint64_t stream_id(std::string_view purpose) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : purpose) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

/// Philox4x32-10: the block of four words that `key` gives for `counter`.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// One stream of random numbers, addressed by (index, sub_index).
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream);
  Random(std::uint64_t seed, std::string_view purpose) : Random(seed, stream_id(purpose)) {}

  /// What tells this stream's blocks from another's: block(index) = philox4x32(index, key()).
  std::array<std::uint32_t, 2> key() const { return key_; }
  /// The four 32-bit words of one counter value.
  std::array<std::uint32_t, 4> block(std::uint64_t index, std::uint64_t sub_index = 0) const;
  /// 64 random bits.
  std::uint64_t bits(std::uint64_t index, std::uint64_t sub_index = 0) const;
  /// Uniform in [0, 1), 53 bits.
  double uniform(std::uint64_t index, std::uint64_t sub_index = 0) const;
  /// Uniform integer in [0, bound), free of bias. `bound` > 0.
  std::uint64_t below(std::uint64_t bound, std::uint64_t index, std::uint64_t sub_index = 0) const;
  /// Normal with mean 0 and variance 1 (Box-Muller).
  double normal(std::uint64_t index, std::uint64_t sub_index = 0) const;

 private:
  std::array<std::uint32_t, 2> key_;
};

}  // namespace cosformer
