#include "train/loop/step_tree.h"

#include <string>

#include "core/error.h"
#include "tests/catch.h"

namespace cosformer::test {

namespace {

/// The sum of leaves [first, end) of a tree of `leaves` as text, written down by the definition: neighbours, then neighbours
/// of neighbours.
std::vector<std::string> tree_of(std::int64_t leaves) {
  std::vector<std::string> level;
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) level.push_back(std::to_string(leaf));
  while (level.size() > 1) {
    std::vector<std::string> next;
    for (std::size_t i = 0; i < level.size(); i += 2)
      next.push_back(i + 1 < level.size() ? '(' + level[i] + '+' + level[i + 1] + ')' : level[i]);
    level = next;
  }
  return level;
}

/// The sum by `add_subtrees` of the ranges' subtrees, each summed by `LeafSums`' rule inside one range.
std::string sum_over_ranks(std::int64_t leaves, int ranks) {
  std::vector<LeafRange> parts;
  std::vector<std::string> sums;
  for (int rank = 0; rank < ranks; ++rank) {
    for (const LeafRange& subtree : subtrees_in(leaves_of_rank(leaves, ranks, rank), leaves)) {
      // Within a subtree: the same rule on single leaves, whose parts are the leaves.
      std::vector<LeafRange> own;
      std::vector<std::string> texts;
      for (std::int64_t leaf = 0; leaf < subtree.count(); ++leaf) {
        own.push_back({leaf, leaf + 1});
        texts.push_back(std::to_string(subtree.first + leaf));
      }
      add_subtrees(own, subtree.count(),
                   [&](std::size_t left, std::size_t right) { texts[left] = '(' + texts[left] + '+' + texts[right] + ')'; });
      parts.push_back(subtree);
      sums.push_back(texts.front());
    }
  }
  add_subtrees(parts, leaves,
               [&](std::size_t left, std::size_t right) { sums[left] = '(' + sums[left] + '+' + sums[right] + ')'; });
  return sums.front();
}

Gradients one_gradient(const Variable& parameter, double value) {
  Gradients gradients;
  gradients.set(parameter.node().get(), Tensor::scalar(value));
  return gradients;
}

}  // namespace

TEST_CASE("the leaves of a step are summed in one tree on any number of ranks") {
  for (std::int64_t leaves = 1; leaves <= 40; ++leaves) {
    for (int ranks = 1; ranks <= leaves && ranks <= 17; ++ranks) {
      CAPTURE(leaves, ranks);
      REQUIRE(sum_over_ranks(leaves, ranks) == tree_of(leaves).front());
    }
  }
}

TEST_CASE("ranks have neighbouring leaves, nearly as many each") {
  for (const std::int64_t leaves : {1, 5, 16, 17, 100}) {
    for (int ranks = 1; ranks <= leaves; ++ranks) {
      std::int64_t next = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const LeafRange range = leaves_of_rank(leaves, ranks, rank);
        CAPTURE(leaves, ranks, rank);
        CHECK(range.first == next);
        CHECK(range.count() >= leaves / ranks);
        CHECK(range.count() <= leaves / ranks + 1);
        next = range.end;
      }
      CHECK(next == leaves);
    }
  }
}

TEST_CASE("a rank adds up the whole subtrees among its leaves and no others") {
  using Ranges = std::vector<LeafRange>;
  CHECK(subtrees_in({0, 8}, 8) == Ranges{{0, 8}});
  CHECK(subtrees_in({4, 8}, 8) == Ranges{{4, 8}});
  CHECK(subtrees_in({3, 6}, 8) == Ranges{{3, 4}, {4, 6}});
  CHECK(subtrees_in({3, 5}, 5) == Ranges{{3, 4}, {4, 5}});
  CHECK(subtrees_in({0, 5}, 5) == Ranges{{0, 5}});
}

TEST_CASE("the sums of a range's leaves are those of its subtrees, whatever order the leaves finish in") {
  const Variable parameter = Variable::leaf(Tensor::scalar(0));
  // In float32 the order of these additions shows.
  const auto value_of = [](std::int64_t leaf) { return leaf % 3 == 0 ? 1e8 : leaf % 3 == 1 ? 1.0 : -1e8; };
  for (const LeafRange range : {LeafRange{0, 11}, LeafRange{2, 9}, LeafRange{5, 11}}) {
    std::vector<std::vector<std::int64_t>> orders(3);
    for (std::int64_t leaf = range.first; leaf < range.end; ++leaf) {
      orders[0].push_back(leaf);
      orders[1].insert(orders[1].begin(), leaf);
      orders[2].insert(leaf % 2 == 0 ? orders[2].begin() : orders[2].end(), leaf);
    }
    std::vector<std::vector<double>> results;
    for (const auto& order : orders) {
      LeafSums sums(range, 11);
      for (const std::int64_t leaf : order) sums.finish(leaf, one_gradient(parameter, value_of(leaf)));
      auto& result = results.emplace_back();
      for (const Gradients& sum : sums.take()) result.push_back(sum.of(parameter).item());
    }
    // The last leaf parameter by parameter.
    LeafSums sums(range, 11);
    for (std::int64_t leaf = range.first; leaf + 1 < range.end; ++leaf)
      sums.finish(leaf, one_gradient(parameter, value_of(leaf)));
    sums.finish_last(parameter.node().get(), Tensor::scalar(value_of(range.end - 1)));
    CHECK(sums.of(parameter.node().get()).size() == subtrees_in(range, 11).size());
    const Tensor last = sums.of(parameter.node().get()).back();
    auto& result = results.emplace_back();
    for (const Gradients& sum : sums.take()) result.push_back(sum.of(parameter).item());
    CHECK(last.item() == result.back());
    CHECK(results[0].size() == subtrees_in(range, 11).size());
    for (const auto& other : results) CHECK(other == results[0]);
  }
}

TEST_CASE("parts that are no subtrees are refused") {
  const auto add = [](std::size_t, std::size_t) {};
  CHECK_THROWS_AS(add_subtrees({{0, 3}, {3, 8}}, 8, add), Error);
  CHECK_THROWS_AS(add_subtrees({{0, 4}}, 8, add), Error);
}

}  // namespace cosformer::test
