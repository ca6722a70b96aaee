#include "autograd/step_tree.h"

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
  const auto in_range = [](std::int64_t first, std::int64_t end, std::int64_t leaves) {
    return subtrees_in(LeafRange{first, end}, leaves);
  };
  CHECK(in_range(0, 8, 8) == Ranges{{0, 8}});
  CHECK(in_range(4, 8, 8) == Ranges{{4, 8}});
  CHECK(in_range(3, 6, 8) == Ranges{{3, 4}, {4, 6}});
  CHECK(in_range(3, 5, 5) == Ranges{{3, 4}, {4, 5}});
  CHECK(in_range(0, 5, 5) == Ranges{{0, 5}});
  CHECK(subtrees_in(LeafRuns{{0, 3}, {5, 8}}, 8) == Ranges{{0, 2}, {2, 3}, {5, 6}, {6, 8}});
}

TEST_CASE("the sums of some leaves are those of their subtrees, whatever order the leaves finish in") {
  const Variable parameter = Variable::leaf(Tensor::scalar(0));
  // In float32 the order of these additions shows.
  const auto value_of = [](std::int64_t leaf) { return leaf % 3 == 0 ? 1e8 : leaf % 3 == 1 ? 1.0 : -1e8; };
  for (const LeafRuns& runs : {LeafRuns{{0, 11}}, LeafRuns{{2, 9}}, LeafRuns{{5, 11}}, LeafRuns{{0, 2}, {3, 8}, {10, 11}}}) {
    std::vector<std::vector<std::int64_t>> orders(3);
    for (const LeafRange run : runs) {
      for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) {
        orders[0].push_back(leaf);
        orders[1].insert(orders[1].begin(), leaf);
        orders[2].insert(leaf % 2 == 0 ? orders[2].begin() : orders[2].end(), leaf);
      }
    }
    std::vector<std::vector<double>> results;
    for (const auto& order : orders) {
      LeafSums sums(runs, 11);
      for (const std::int64_t leaf : order) sums.finish(leaf, one_gradient(parameter, value_of(leaf)));
      auto& result = results.emplace_back();
      for (const Gradients& sum : sums.take()) result.push_back(sum.of(parameter).item());
    }
    // The last leaf parameter by parameter.
    LeafSums sums(runs, 11);
    const std::int64_t last_leaf = orders[0].back();
    orders[0].pop_back();
    for (const std::int64_t leaf : orders[0]) sums.finish(leaf, one_gradient(parameter, value_of(leaf)));
    sums.finish_last(parameter.node().get(), Tensor::scalar(value_of(last_leaf)));
    CHECK(sums.of(parameter.node().get()).size() == subtrees_in(runs, 11).size());
    const Tensor last = sums.of(parameter.node().get()).back();
    auto& result = results.emplace_back();
    for (const Gradients& sum : sums.take()) result.push_back(sum.of(parameter).item());
    CHECK(last.item() == result.back());
    CHECK(results[0].size() == subtrees_in(runs, 11).size());
    for (const auto& other : results) CHECK(other == results[0]);
  }
}

TEST_CASE("a parameter that the last leaf has no gradient of is summed over the others") {
  const Variable everywhere = Variable::leaf(Tensor::scalar(0)), not_last = Variable::leaf(Tensor::scalar(0));
  for (const LeafRuns& runs :
       {LeafRuns{{0, 1}}, LeafRuns{{0, 3}}, LeafRuns{{0, 8}}, LeafRuns{{3, 8}}, LeafRuns{{0, 2}, {3, 7}}}) {
    LeafSums sums(runs, 8);
    double count = 0;
    for (const LeafRange run : runs) {
      for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) {
        if (leaf == runs.back().end - 1) continue;
        Gradients gradients = one_gradient(everywhere, 1);
        gradients.add(one_gradient(not_last, 1));
        sums.finish(leaf, std::move(gradients));
        ++count;
      }
    }
    sums.finish_last(everywhere.node().get(), Tensor::scalar(1));
    sums.finish_others({everywhere.node().get()});
    double of_all = 0, of_others = 0;
    for (const Gradients& sum : sums.take()) {
      if (const Tensor gradient = sum.of(everywhere.node().get()); gradient.defined()) of_all += gradient.item();
      if (const Tensor gradient = sum.of(not_last.node().get()); gradient.defined()) of_others += gradient.item();
    }
    CHECK(of_all == count + 1);
    CHECK(of_others == count);
  }
}

TEST_CASE("parts that are no subtrees are refused") {
  const auto add = [](std::size_t, std::size_t) {};
  CHECK_THROWS_AS(add_subtrees({{0, 3}, {3, 8}}, 8, add), Error);
  CHECK_THROWS_AS(add_subtrees({{0, 4}}, 8, add), Error);
}

}  // namespace cosformer::test
