#include "train/loop/leaf_division.h"

#include <algorithm>
#include <numeric>

#include "tests/catch.h"
#include "tests/support/random_values.h"

namespace cosformer::test {

namespace {

double cost_of(const LeafRuns& runs, const std::vector<double>& costs) {
  double sum = 0;
  for (const LeafRange run : runs) {
    for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) sum += costs[static_cast<std::size_t>(leaf)];
  }
  return sum;
}

double heaviest(const std::vector<LeafRuns>& division, const std::vector<double>& costs) {
  double most = 0;
  for (const LeafRuns& runs : division) most = std::max(most, cost_of(runs, costs));
  return most;
}

/// The costs of a batch's shards: from long texts to short ones.
std::vector<double> falling_costs(std::int64_t leaves, std::uint64_t seed) {
  std::vector<double> costs = random_values<double>(leaves, seed, 500, 2000);
  std::ranges::sort(costs, std::greater<>());
  return costs;
}

}  // namespace

TEST_CASE("each leaf belongs to one rank and each rank has one, whatever the leaves cost") {
  for (const std::int64_t leaves : {1, 2, 5, 16, 37}) {
    const std::vector<double> kinds[] = {std::vector<double>(static_cast<std::size_t>(leaves), 1.0),
                                         std::vector<double>(static_cast<std::size_t>(leaves), 0.0),
                                         falling_costs(leaves, 3), [&] {
                                           std::vector<double> one_heavy(static_cast<std::size_t>(leaves), 1.0);
                                           one_heavy.back() = 1e6;
                                           return one_heavy;
                                         }()};
    for (const std::vector<double>& costs : kinds) {
      for (int ranks = 1; ranks <= leaves; ++ranks) {
        CAPTURE(leaves, ranks);
        const std::vector<LeafRuns> division = divide_leaves(costs, ranks);
        REQUIRE(std::ssize(division) == ranks);
        std::vector<int> owners(costs.size(), 0);
        for (const LeafRuns& runs : division) {
          REQUIRE(!runs.empty());
          for (std::size_t i = 0; i < runs.size(); ++i) {
            REQUIRE(runs[i].count() > 0);
            // Maximal runs, from left to right: a subtree that a rank has whole lies in one of them.
            if (i > 0) REQUIRE(runs[i].first > runs[i - 1].end);
            for (std::int64_t leaf = runs[i].first; leaf < runs[i].end; ++leaf) ++owners[static_cast<std::size_t>(leaf)];
          }
        }
        REQUIRE(std::ranges::all_of(owners, [](int count) { return count == 1; }));
      }
    }
  }
}

TEST_CASE("leaves of about equal cost are divided by number") {
  std::vector<double> costs = random_values<double>(64, 1, 0.99, 1.01);
  for (const int ranks : {1, 2, 3, 8, 64}) {
    const std::vector<LeafRuns> division = divide_leaves(costs, ranks);
    for (int rank = 0; rank < ranks; ++rank)
      CHECK(division[static_cast<std::size_t>(rank)] == LeafRuns{leaves_of_rank(64, ranks, rank)});
  }
}

TEST_CASE("two ranks with sixteen leaves of unequal cost have nearly the same to do") {
  double sum = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::vector<double> costs = falling_costs(16, seed);
    const double mean = std::accumulate(costs.begin(), costs.end(), 0.0) / 2;
    CAPTURE(seed);
    const double share = heaviest(divide_leaves(costs, 2), costs) / mean;
    REQUIRE(share < 1.03);
    sum += share;
  }
  CHECK(sum / 100 < 1.007);
}

TEST_CASE("a division by cost is never worse than one by number") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (const int ranks : {2, 3, 4, 7, 16}) {
      const std::vector<double> costs = falling_costs(16, seed);
      std::vector<LeafRuns> even;
      for (int rank = 0; rank < ranks; ++rank) even.push_back({leaves_of_rank(16, ranks, rank)});
      REQUIRE(heaviest(divide_leaves(costs, ranks), costs) <= heaviest(even, costs));
    }
  }
}

}  // namespace cosformer::test
