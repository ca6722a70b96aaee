#include "core/random.h"

#include <cmath>
#include <numbers>

namespace cosformer {

namespace {

/// SplitMix64's finaliser: spreads (seed, stream) over the key.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

double unit_interval(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1.0p-53; }

}  // namespace

Random::Random(std::uint64_t seed, std::uint64_t stream) {
  const std::uint64_t key = mix(mix(seed) ^ stream);
  key_ = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
}

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ULL * c[0];
    const std::uint64_t p1 = 0xCD9E8D57ULL * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ key[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return c;
}

std::array<std::uint32_t, 4> Random::block(std::uint64_t index, std::uint64_t sub_index) const {
  return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                     static_cast<std::uint32_t>(sub_index), static_cast<std::uint32_t>(sub_index >> 32)},
                    key_);
}

std::uint64_t Random::bits(std::uint64_t index, std::uint64_t sub_index) const {
  const auto words = block(index, sub_index);
  return (static_cast<std::uint64_t>(words[1]) << 32) | words[0];
}

double Random::uniform(std::uint64_t index, std::uint64_t sub_index) const { return unit_interval(bits(index, sub_index)); }

std::uint64_t Random::below(std::uint64_t bound, std::uint64_t index, std::uint64_t sub_index) const {
  // Lemire's method; a rejected draw (probability bound / 2^64) moves to a counter that no caller uses.
  const std::uint64_t threshold = (0 - bound) % bound;
  for (std::uint64_t attempt = 0;; ++attempt) {
    const __uint128_t product = static_cast<__uint128_t>(bits(index, sub_index ^ (attempt << 48))) * bound;
    if (static_cast<std::uint64_t>(product) >= threshold) return static_cast<std::uint64_t>(product >> 64);
  }
}

double Random::normal(std::uint64_t index, std::uint64_t sub_index) const {
  const auto words = block(index, sub_index);
  const double u1 = unit_interval((static_cast<std::uint64_t>(words[1]) << 32) | words[0]);
  const double u2 = unit_interval((static_cast<std::uint64_t>(words[3]) << 32) | words[2]);
  return std::sqrt(-2.0 * std::log1p(-u1)) * std::cos(2.0 * std::numbers::pi * u2);
}

}  // namespace cosformer
