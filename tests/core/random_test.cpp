#include "core/random.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "tests/catch.h"

using namespace cosformer;

TEST_CASE("Philox gives the known answers of Random123") {
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("A stream's value depends on seed, stream and index, and on nothing else") {
  const Random stream(7, "init/weight");
  CHECK(stream.bits(5, 1) == Random(7, stream_id("init/weight")).bits(5, 1));
  std::set<std::uint64_t> values;
  for (const std::uint64_t seed : {0, 1, 2}) {
    for (const char* purpose : {"a", "b"}) {
      for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
        for (const std::uint64_t sub : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 40}) {
          values.insert(Random(seed, purpose).bits(index, sub));
        }
      }
    }
  }
  CHECK(values.size() == 3 * 2 * 3 * 3);
}

TEST_CASE("Uniform numbers lie in [0, 1) and have the moments of a uniform distribution") {
  constexpr int kCount = 100000;
  const Random stream(3, "uniform");
  double mean = 0, square = 0, lagged = 0, least = 1, most = 0, before = 0.5;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double u = stream.uniform(i);
    mean += u / kCount;
    square += u * u / kCount;
    lagged += (u - 0.5) * (before - 0.5) / kCount;
    least = std::min(least, u);
    most = std::max(most, u);
    before = u;
  }
  CHECK((least >= 0 && least < 1e-3 && most < 1 && most > 1 - 1e-3));
  CHECK(std::abs(mean - 0.5) < 5 * std::sqrt(1.0 / 12 / kCount));
  CHECK(std::abs(square - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / kCount));
  CHECK(std::abs(lagged) < 5.0 / 12 / std::sqrt(kCount));
}

TEST_CASE("Normal numbers have the moments of a normal distribution") {
  constexpr int kCount = 100000;
  const Random stream(4, "normal");
  double mean = 0, square = 0, fourth = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double z = stream.normal(i);
    REQUIRE(std::isfinite(z));
    mean += z / kCount;
    square += z * z / kCount;
    fourth += z * z * z * z / kCount;
  }
  CHECK(std::abs(mean) < 5 / std::sqrt(kCount));
  CHECK(std::abs(square - 1) < 5 * std::sqrt(2.0 / kCount));
  CHECK(std::abs(fourth - 3) < 5 * std::sqrt(96.0 / kCount));
}

TEST_CASE("Integers below a bound take every value about equally often") {
  const Random stream(5, "below");
  for (const std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{7}, std::uint64_t{100}}) {
    constexpr double kCount = 20000;
    std::vector<double> counts(bound);
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(kCount); ++i) {
      const std::uint64_t value = stream.below(bound, i);
      REQUIRE(value < bound);
      ++counts[value];
    }
    const double expected = kCount / static_cast<double>(bound);
    double chi_square = 0;
    for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
    CAPTURE(bound);
    // Mean bound - 1, standard deviation sqrt(2 (bound - 1)).
    CHECK(chi_square <= static_cast<double>(bound) - 1 + 6 * std::sqrt(2.0 * static_cast<double>(bound)));
  }
  // A bound just above 2^63 rejects nearly half of the draws.
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;
  for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(stream.below(large, i) < large);
}
