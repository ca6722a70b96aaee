#include "train/loop/parameter_slices.h"

#include <vector>

#include "core/parallel.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"

namespace cosformer::test {

namespace {

/// Parameters of these sizes, without values.
ParameterStore parameters_of(const std::vector<std::int64_t>& sizes) {
  ParameterStore store(1, DType::float32, ParameterValues::shapes_only);
  const Scope root(store);
  for (std::size_t i = 0; i < sizes.size(); ++i) root.create("p" + std::to_string(i), {sizes[i]}, Initializer::constant(0));
  return store;
}

constexpr std::int64_t kPiece = kElementwiseGrain;

}  // namespace

TEST_CASE("each element of each parameter belongs to one rank, in pieces of the elementwise loops") {
  const std::vector<std::int64_t> sizes = {5, 10 * kPiece + 3, 1, kPiece, 40 * kPiece, 7, 7};
  const ParameterStore store = parameters_of(sizes);
  for (const int ranks : {1, 2, 3, 7, 16}) {
    const ParameterSlices slices(store.all(), ranks, 8 * kPiece);
    std::vector<std::vector<int>> owners;
    for (const std::int64_t size : sizes) owners.emplace_back(static_cast<std::size_t>(size), 0);
    for (int rank = 0; rank < ranks; ++rank) {
      for (const ParameterPart& part : slices.parts_of(rank)) {
        CAPTURE(ranks, rank, part.parameter, part.begin);
        REQUIRE(part.begin % kPiece == 0);
        REQUIRE((part.end % kPiece == 0 || part.end == sizes[part.parameter]));
        for (std::int64_t i = part.begin; i < part.end; ++i) ++owners[part.parameter][static_cast<std::size_t>(i)];
      }
    }
    for (const std::vector<int>& counts : owners) CHECK(std::ranges::all_of(counts, [](int count) { return count == 1; }));
  }
}

TEST_CASE("the ranks own nearly as much each, of the whole and of each bucket") {
  const ParameterStore store = parameters_of({300 * kPiece, 100, 200 * kPiece});
  for (const int ranks : {2, 3, 8}) {
    const ParameterSlices slices(store.all(), ranks, 64 * kPiece);
    CHECK(slices.buckets() > 5);
    for (std::size_t bucket = 0; bucket + 1 < slices.buckets(); ++bucket) {
      for (int rank = 0; rank < ranks; ++rank) {
        CAPTURE(ranks, bucket, rank);
        CHECK(std::abs(slices.slice(bucket, rank).elements - 64 * kPiece / ranks) <= 2 * kPiece);
      }
    }
  }
}

TEST_CASE("a rank that is alone owns whole parameters") {
  const ParameterStore store = parameters_of({3, 5000 * kPiece, 4});
  const ParameterSlices slices(store.all(), 1, kPiece);
  CHECK(slices.parts_of(0) == std::vector<ParameterPart>{{2, 0, 4}, {1, 0, 5000 * kPiece}, {0, 0, 3}});
}

}  // namespace cosformer::test
