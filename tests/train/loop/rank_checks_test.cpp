#include "train/loop/rank_checks.h"

#include "core/simd/instruction_set.h"
#include "tests/catch.h"

namespace cosformer::test {

namespace {

RankFacts facts() {
  RankFacts facts;
  facts.version = "1";
  facts.identity.data = {{"train", "a/train.txt", {10, "aa"}}};
  facts.identity.tokenizer = {{"vocabulary", {3, "bb"}}};
  facts.identity.arithmetic = {"avx2", "OpenBLAS 1", "Haswell"};
  facts.weights = "cc";
  return facts;
}

/// What `first_difference` says if `change` has been made to the other rank.
template <class Change>
std::string difference_after(Change&& change) {
  RankFacts other = facts();
  change(other);
  return first_difference(facts(), other);
}

}  // namespace

TEST_CASE("ranks that agree may have their data at other places and other numbers of threads") {
  CHECK(first_difference(facts(), facts()).empty());
  CHECK(difference_after([](RankFacts& other) { other.identity.data[0].path = "b/other.txt"; }).empty());
  CHECK(difference_after([](RankFacts& other) { other.config.train.threads = 3; }).empty());
}

TEST_CASE("what differs between ranks is named") {
  CHECK(difference_after([](RankFacts& other) { other.version = "2"; }) == "is cosformer 2, rank 0 is 1");
  CHECK(difference_after([](RankFacts& other) { other.config.train.seed = 5; }) == "train.seed is 5, on rank 0 it is 1");
  CHECK(difference_after([](RankFacts& other) {
          other.identity.data[0].content = {11, "ab"};
        }) == "task.train: a/train.txt holds 11 bytes, XXH3 ab; rank 0 has read 10 bytes, XXH3 aa");
  CHECK(difference_after([](RankFacts& other) { other.identity.data.clear(); }) == "has read 0 data files, rank 0 1");
  CHECK(difference_after([](RankFacts& other) { other.identity.tokenizer.clear(); }).find("vocabulary") !=
        std::string::npos);
  CHECK(difference_after([](RankFacts& other) { other.identity.arithmetic.blas_kernels = "Zen"; }).find("Zen") !=
        std::string::npos);
  CHECK(difference_after([](RankFacts& other) { other.weights = "dd"; }) == "begins with other weights than rank 0");
}

TEST_CASE("ranks of unequal processors use what all have") {
  CHECK(common_instruction_set("avx512", "avx512") == "avx512");
  CHECK(common_instruction_set("avx512", "avx2") == "avx2");
  CHECK(common_instruction_set("avx2", "baseline") == "baseline");
  CHECK(common_instruction_set("neon", "avx2") == "baseline");
}

}  // namespace cosformer::test
