#include "train/loop/gradient_exchange.h"

#include <mutex>
#include <optional>

#include "core/error.h"
#include "core/parallel.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_ranks.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kPiece = kElementwiseGrain;
using Floats = std::vector<float>;

/// Gradients of leaves whose sums show the order in which they were made.
class LeafValues {
 public:
  LeafValues(std::int64_t leaves, std::vector<std::int64_t> sizes) : leaves_(leaves), sizes_(std::move(sizes)) {}

  /// None for some leaves of some parameters, and for all of the last one.
  std::optional<Floats> of(std::int64_t leaf, std::size_t parameter) const {
    if (parameter + 1 == sizes_.size() || (leaf + static_cast<std::int64_t>(parameter)) % 5 == 3) return std::nullopt;
    const auto seed = static_cast<std::uint64_t>(leaf * 100 + static_cast<std::int64_t>(parameter));
    Floats values;
    for (const double x : random_values<double>(sizes_[parameter], seed, -1, 1))
      values.push_back(static_cast<float>(leaf % 3 == 0 ? 1e6 * x : x));
    return values;
  }
  /// Neighbours are added, then neighbours of neighbours: written down by the definition.
  std::optional<Floats> sum(std::size_t parameter) const {
    std::vector<std::optional<Floats>> level;
    for (std::int64_t leaf = 0; leaf < leaves_; ++leaf) level.push_back(of(leaf, parameter));
    while (level.size() > 1) {
      std::vector<std::optional<Floats>> next;
      for (std::size_t i = 0; i < level.size(); i += 2)
        next.push_back(i + 1 < level.size() ? add(level[i], level[i + 1]) : level[i]);
      level = next;
    }
    return level.front();
  }

 private:
  static std::optional<Floats> add(std::optional<Floats> left, const std::optional<Floats>& right) {
    if (!left) return right;
    for (std::size_t i = 0; right && i < left->size(); ++i) (*left)[i] += (*right)[i];
    return left;
  }

  std::int64_t leaves_;
  std::vector<std::int64_t> sizes_;
};

/// What the owners have of each parameter after an exchange.
std::vector<Floats> exchange(const LeafValues& values, const std::vector<std::int64_t>& sizes, std::int64_t leaves,
                             const std::vector<LeafRuns>& runs, std::int64_t bucket_elements) {
  ParameterStore store(1, DType::float32, ParameterValues::shapes_only);
  for (std::size_t p = 0; p < sizes.size(); ++p)
    Scope(store).create("p" + std::to_string(p), {sizes[p]}, Initializer::constant(0));
  const std::vector<Parameter>& parameters = store.all();
  const auto ranks = static_cast<int>(runs.size());
  const ParameterSlices slices(parameters, ranks, bucket_elements);
  std::vector<Floats> sums;
  for (const std::int64_t size : sizes) sums.emplace_back(static_cast<std::size_t>(size), -77.0F);
  std::mutex mutex;
  run_ranks(ranks, [&](Communicator& own) {
    GradientExchange among(own, slices, parameters);
    const LeafRuns& leaves_here = runs[static_cast<std::size_t>(own.rank())];
    for (int step = 0; step < 2; ++step) {  // the second finds what the first has left
      among.begin(runs, leaves);
      LeafSums here(leaves_here, leaves);
      for (const LeafRange run : leaves_here) {
        for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) {
          Gradients gradients;
          for (std::size_t p = 0; p < sizes.size(); ++p) {
            if (const auto gradient = values.of(leaf, p))
              gradients.set(parameters[p].variable.node().get(),
                            Tensor::from<float>({sizes[p]}, std::span<const float>(*gradient)));
          }
          here.finish(leaf, std::move(gradients));
        }
      }
      const std::vector<Gradients> subtrees = here.take();
      // Ranks come to the parameters in different orders.
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        const std::size_t p = own.rank() % 2 == 0 ? sizes.size() - 1 - i : i;
        std::vector<Tensor> given;
        for (const Gradients& subtree : subtrees) given.push_back(subtree.of(parameters[p].variable));
        among.add(p, std::move(given));
      }
      const std::vector<Tensor> buckets = among.finish();
      const std::lock_guard lock(mutex);
      for (std::size_t bucket = 0; bucket < slices.buckets(); ++bucket) {
        std::int64_t position = 0;
        for (const ParameterPart& part : slices.slice(bucket, own.rank()).parts) {
          Tensor sum = buckets[bucket];
          std::copy_n(sum.data<float>() + position, part.size(), sums[part.parameter].begin() + part.begin);
          position += part.size();
        }
      }
    }
  });
  return sums;
}

}  // namespace

TEST_CASE("owners get the sums of one process, whichever leaves the ranks have") {
  const std::vector<std::int64_t> sizes = {5, 3 * kPiece + 3, 1, 9 * kPiece, 2 * kPiece};
  const std::int64_t leaves = 11;
  const LeafValues values(leaves, sizes);
  const std::vector<LeafRuns> divisions[] = {
      {{{0, 5}}, {{5, 11}}},
      {{{0, 1}, {4, 8}, {9, 10}}, {{1, 4}, {8, 9}, {10, 11}}},
      {{{0, 3}}, {{3, 4}}, {{4, 11}}},
      {{{0, 1}, {3, 4}, {6, 7}, {9, 10}}, {{1, 2}, {4, 5}, {7, 8}, {10, 11}}, {{2, 3}, {5, 6}, {8, 9}}},
  };
  for (const std::vector<LeafRuns>& runs : divisions) {
    for (const std::int64_t bucket_elements : {2 * kPiece, 100 * kPiece}) {
      CAPTURE(runs.size(), runs[0].size(), bucket_elements);
      const std::vector<Floats> sums = exchange(values, sizes, leaves, runs, bucket_elements);
      for (std::size_t p = 0; p < sizes.size(); ++p) {
        const auto expected = values.sum(p);
        // -0 stands for a sum of nothing: it changes no number that it is added to.
        REQUIRE(sums[p] == expected.value_or(Floats(static_cast<std::size_t>(sizes[p]), -0.0F)));
      }
    }
  }
}

TEST_CASE("an exchange that a parameter is missing from is refused") {
  ParameterStore store(1, DType::float32, ParameterValues::shapes_only);
  for (const char* name : {"a", "b"}) Scope(store).create(name, {7}, Initializer::constant(0));
  const ParameterSlices slices(store.all(), 2);
  CHECK_THROWS_AS(run_ranks(2,
                            [&](Communicator& own) {
                              GradientExchange among(own, slices, store.all());
                              among.begin(std::vector<LeafRuns>{{{0, 1}}, {{1, 2}}}, 2);
                              among.add(0, {Tensor::full({7}, 1.0)});
                              among.finish();
                            }),
                  Error);
}

}  // namespace cosformer::test
