#include "core/kernels/sparse_attention/sparse_pattern.h"

#include <algorithm>
#include <set>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/support/sparse_rules.h"

namespace cosformer::test {

namespace {

/// Pairs of query and key that the tiles of a head show, in a text without padding; a pair shown twice is counted twice.
double listed_pairs(const SparsePattern& pattern, std::int64_t length, bool causal) {
  double pairs = 0;
  const AttentionSizes sizes{1, length, length, 1, 1, 1};
  pattern.for_each_tile(SparseItem(sizes, {.causal = causal}, 0), 0, [&](const SparseTile& tile) {
    CHECK((tile.seen.empty() || tile.seen.size() == tile.queries.size()));
    if (tile.seen.empty()) pairs += static_cast<double>(tile.queries.size() * tile.keys.size());
    for (const SeenKeys& seen : tile.seen) {
      CHECK(seen.first.begin <= seen.first.end);
      CHECK((seen.second.begin == seen.second.end || seen.first.end <= seen.second.begin));
      pairs += seen.first.end - seen.first.begin + seen.second.end - seen.second.begin;
    }
  });
  return pairs;
}

}  // namespace

TEST_CASE("A pattern's tiles show each pair of its formula once, and nothing else") {
  const bool causal = GENERATE(true, false);
  std::vector<NamedPattern> patterns = short_patterns(causal);
  patterns.push_back(block_pattern(16, 3, 1, 2, causal));
  patterns.push_back(fixed_pattern(20, 7));
  for (const NamedPattern& pattern : patterns) {
    const std::int64_t length = 150;
    double expected = 0;
    for (std::int64_t i = 0; i < length; ++i) {
      for (std::int64_t j = 0; j < (causal ? i + 1 : length); ++j) expected += pattern.rule(0, i, j, length) ? 1 : 0;
    }
    CAPTURE(pattern.name, causal);
    CHECK(listed_pairs(*pattern.pattern, length, causal) == expected);
  }
}

TEST_CASE("The pairs that a pattern says it costs are near those that it lists, and grow as its paper says") {
  const bool causal = GENERATE(true, false);
  const std::vector<SharedSparsePattern> patterns = {make_window_pattern({}), make_block_pattern({}),
                                                     make_factorized_pattern({}),
                                                     make_factorized_pattern({.strided = true})};
  for (const SharedSparsePattern& pattern : patterns) {
    for (const std::int64_t length : {64, 1000, 4096}) {
      const double listed = listed_pairs(*pattern, length, causal), told = pattern->pairs(length, length, causal);
      CAPTURE(length, causal, listed, told);
      CHECK(told > 0.8 * listed);
      CHECK(told < 1.25 * listed);
    }
  }
  for (const SharedSparsePattern& linear : {patterns[0], patterns[1]}) {
    CHECK(listed_pairs(*linear, 16384, causal) < 2.2 * listed_pairs(*linear, 8192, causal));
  }
}

TEST_CASE("Random blocks are distinct, lie outside window and global blocks, and belong to the seed and the head") {
  BlockPatternOptions options{.random = Random(1, "a")};
  const std::vector<std::int64_t> chosen = random_blocks(options, 0, 10, 40);
  REQUIRE(chosen.size() == 3);
  CHECK(std::ranges::is_sorted(chosen));
  std::set<std::int64_t> all;
  std::set<std::vector<std::int64_t>> draws;
  for (std::int64_t h = 0; h < 200; ++h) {
    const std::vector<std::int64_t> own = random_blocks(options, h, 10, 40);
    CHECK(std::set<std::int64_t>(own.begin(), own.end()).size() == 3);
    for (const std::int64_t block : own) CHECK((block >= 2 && block < 40 && std::abs(block - 10) > 1));
    all.insert(own.begin(), own.end());
    draws.insert(own);
  }
  CHECK(all.size() == 40 - 2 - 3);
  CHECK(draws.size() > 190);
  CHECK(random_blocks(options, 0, 10, 40) == chosen);
  options.random = Random(2, "a");
  CHECK(random_blocks(options, 0, 10, 40) != chosen);
  CHECK(random_blocks(options, 0, 10, 5) == std::vector<std::int64_t>{2, 3, 4});
  CHECK(random_blocks(options, 0, 2, 3).empty());
}

TEST_CASE("Options of a pattern that make no sense are refused") {
  CHECK_THROWS_AS(make_window_pattern({.window = -1}), InputError);
  CHECK_THROWS_AS(make_window_pattern({.global_tokens = -1}), InputError);
  CHECK_THROWS_AS(make_block_pattern({.block_size = 0}), InputError);
  CHECK_THROWS_AS(make_block_pattern({.window_blocks = 2}), InputError);
  CHECK_THROWS_AS(make_block_pattern({.random_blocks = -1}), InputError);
  CHECK_THROWS_AS(make_factorized_pattern({.stride = 0}), InputError);
  CHECK_THROWS_AS(make_factorized_pattern({.stride = 4, .summary = 5}), InputError);
}

}  // namespace cosformer::test
