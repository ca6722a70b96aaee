#include "autograd/step_tree.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "core/error.h"

namespace cosformer {

namespace {

/// Leaves of a tree whose last level is full, at least `leaves`.
std::int64_t full_size(std::int64_t leaves) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(leaves)));
}

}  // namespace

LeafRange leaves_of_rank(std::int64_t leaves, int ranks, int rank) {
  return {leaves * rank / ranks, leaves * (rank + 1) / ranks};
}

std::vector<LeafRange> subtrees_in(LeafRange range, std::int64_t leaves) {
  std::vector<LeafRange> subtrees;
  for (std::int64_t first = range.first; first < range.end;) {
    std::int64_t size = 1;
    while (size < full_size(leaves) && first % (2 * size) == 0 && std::min(first + 2 * size, leaves) <= range.end) size *= 2;
    subtrees.push_back({first, std::min(first + size, leaves)});
    first = subtrees.back().end;
  }
  return subtrees;
}

std::vector<LeafRange> subtrees_in(const LeafRuns& runs, std::int64_t leaves) {
  std::vector<LeafRange> subtrees;
  for (const LeafRange run : runs) std::ranges::copy(subtrees_in(run, leaves), std::back_inserter(subtrees));
  return subtrees;
}

void add_subtrees(const std::vector<LeafRange>& parts, std::int64_t leaves,
                  const std::function<void(std::size_t left, std::size_t right)>& add) {
  std::size_t next = 0;
  // The part that holds the sum of the subtree of `size` leaves from `first` on.
  const std::function<std::size_t(std::int64_t, std::int64_t)> sum = [&](std::int64_t first, std::int64_t size) {
    check<Error>(next < parts.size() && parts[next].first == first, "the parts of a sum are not the subtrees of its tree");
    if (parts[next].end == std::min(first + size, leaves)) return next++;
    check<Error>(size > 1, "the parts of a sum are not the subtrees of its tree");
    const std::size_t left = sum(first, size / 2);
    if (first + size / 2 < leaves) add(left, sum(first + size / 2, size / 2));
    return left;
  };
  sum(0, full_size(leaves));
}

LeafSums::LeafSums(LeafRuns runs, std::int64_t leaves)
    : runs_(std::move(runs)),
      leaves_(leaves),
      parts_(static_cast<std::size_t>(leaves)),
      arrived_(static_cast<std::size_t>(leaves)) {}

bool LeafSums::can_merge(std::int64_t left, std::int64_t right, std::int64_t size) const {
  const std::int64_t end = std::min(right + size, leaves_);
  return std::ranges::any_of(runs_, [&](LeafRange run) { return run.first <= left && end <= run.end; });
}

void LeafSums::finish(std::int64_t leaf, Gradients gradients) {
  part(leaf) = std::move(gradients);
  std::int64_t left = leaf;
  for (std::int64_t size = 1; size < leaves_; size *= 2) {
    left = left / (2 * size) * (2 * size);
    const std::int64_t right = left + size;
    if (right >= leaves_) continue;
    if (!can_merge(left, right, size)) return;
    // Each inner node of the tree is counted at its right child's first leaf, which is its own alone.
    if (arrived_[static_cast<std::size_t>(right)].fetch_add(1, std::memory_order_acq_rel) == 0) return;
    part(left).add(part(right));
    part(right) = Gradients();
  }
}

void LeafSums::finish_last(const Node* parameter, Tensor gradient) {
  std::int64_t own = runs_.back().end - 1;
  for (std::int64_t size = 1; size < leaves_; size *= 2) {
    const std::int64_t left = own / (2 * size) * (2 * size), right = left + size;
    if (right >= leaves_) continue;
    if (!can_merge(left, right, size)) break;
    Gradients right_gradient;
    right_gradient.set(parameter, std::move(gradient));
    part(left).add(right_gradient);
    gradient = part(left).of(parameter);
    own = left;
  }
  part(own).set(parameter, gradient);
}

void LeafSums::finish_others(const std::unordered_set<const Node*>& told) {
  std::unordered_set<const Node*> others;
  for (const Gradients& sum : parts_) {
    sum.for_each([&](const Node* parameter, const Tensor&) {
      if (!told.contains(parameter)) others.insert(parameter);
    });
  }
  for (const Node* parameter : others) finish_last(parameter, Tensor());
}

std::vector<Tensor> LeafSums::of(const Node* parameter) const {
  std::vector<Tensor> sums;
  for (const LeafRange& subtree : subtrees_in(runs_, leaves_)) sums.push_back(part(subtree.first).of(parameter));
  return sums;
}

std::vector<Gradients> LeafSums::take() {
  std::vector<Gradients> sums;
  for (const LeafRange& subtree : subtrees_in(runs_, leaves_)) sums.push_back(std::move(part(subtree.first)));
  return sums;
}

}  // namespace cosformer
