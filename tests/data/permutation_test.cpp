#include "data/permutation.h"

#include <map>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"

using namespace cosformer;

TEST_CASE("a permutation takes every element once") {
  for (std::int64_t size : {1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 1000, 4096, 5000}) {
    const Permutation permutation(size, 7, "test", 3);
    std::vector<int> times(static_cast<std::size_t>(size));
    for (std::int64_t place = 0; place < size; ++place) ++times.at(static_cast<std::size_t>(permutation(place)));
    CHECK(std::vector<int>(static_cast<std::size_t>(size), 1) == times);
  }
}

TEST_CASE("seed, purpose and number each pick another permutation") {
  const auto order = [](std::uint64_t seed, std::string_view purpose, std::int64_t number) {
    const Permutation permutation(1000, seed, purpose, number);
    std::vector<std::int64_t> elements;
    for (std::int64_t place = 0; place < 1000; ++place) elements.push_back(permutation(place));
    return elements;
  };
  CHECK(order(1, "a", 0) == order(1, "a", 0));
  CHECK(order(1, "a", 0) != order(2, "a", 0));
  CHECK(order(1, "a", 0) != order(1, "b", 0));
  CHECK(order(1, "a", 0) != order(1, "a", 1));
}

TEST_CASE("all orders of four elements are about equally frequent") {
  std::map<std::vector<std::int64_t>, int> times;
  constexpr int kDraws = 24'000;
  for (int number = 0; number < kDraws; ++number) {
    const Permutation permutation(4, 99, "test", number);
    ++times[{permutation(0), permutation(1), permutation(2), permutation(3)}];
  }
  double chi_squared = 0;
  for (const auto& [order, count] : times) chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  CHECK(times.size() == 24);
  CHECK(chi_squared < 60);  // 23 degrees of freedom: exceeded with probability 4e-5
}

TEST_CASE("a permutation refuses places and sizes out of range") {
  CHECK_THROWS_AS(Permutation(0, 1, "test", 0), Error);
  const Permutation permutation(5, 1, "test", 0);
  CHECK_THROWS_AS(permutation(5), Error);
  CHECK_THROWS_AS(permutation(-1), Error);
}
