#pragma once
/// \file
/// The tree in which the gradients of a step are summed.
///
/// The leaves of a step are the shards of its micro-batches, in order. Neighbours are added, then neighbours of neighbours,
/// the right one to the left one: with six leaves, ((0 + 1) + (2 + 3)) + (4 + 5). The tree depends on the number of leaves
/// alone, so a sum has the same bits whoever computes its subtrees: threads of one process, or several ranks.

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <unordered_set>
#include <vector>

#include "autograd/backward.h"

namespace cosformer {

/// Leaves [first, end).
struct LeafRange {
  std::int64_t first = 0, end = 0;
  std::int64_t count() const { return end - first; }
  friend bool operator==(const LeafRange&, const LeafRange&) = default;
};

/// Runs of leaves from left to right, with others between them.
using LeafRuns = std::vector<LeafRange>;

/// The leaves of a rank among `ranks` <= `leaves`: neighbours, and nearly as many for each.
LeafRange leaves_of_rank(std::int64_t leaves, int ranks, int rank);

/// The largest subtrees of a tree of `leaves` leaves that lie in `range`, from left to right.
std::vector<LeafRange> subtrees_in(LeafRange range, std::int64_t leaves);
/// The same for each of `runs`.
std::vector<LeafRange> subtrees_in(const LeafRuns& runs, std::int64_t leaves);

/// Adds up subtrees (`parts`, from left to right) that together are the tree of `leaves` leaves: calls `add(left, right)`
/// with indices of parts whose sums so far are neighbours, for the sum to be in the left one. All ends up in part 0.
void add_subtrees(const std::vector<LeafRange>& parts, std::int64_t leaves,
                  const std::function<void(std::size_t left, std::size_t right)>& add);

/// The gradients of some leaves, added up as far as the tree has whole subtrees among them. Of two that are to be added,
/// whichever finishes later does it, so that few leaves' gradients exist at one time.
class LeafSums {
 public:
  /// Of the leaves in `runs`, of a tree of `leaves`.
  LeafSums(LeafRuns runs, std::int64_t leaves);

  /// Takes the gradients of one of the leaves. Several threads may call it at once.
  void finish(std::int64_t leaf, Gradients gradients);
  /// Takes one parameter's gradient of the last leaf, when all other leaves are finished.
  void finish_last(const Node* parameter, Tensor gradient);
  /// After `finish_last` of the parameters in `told`: ends the sums of those that the last leaf has no gradient of, as of a
  /// band of the vocabulary that none of its tokens is in.
  void finish_others(const std::unordered_set<const Node*>& told);
  /// A parameter's gradient in each subtree; undefined if there is none.
  std::vector<Tensor> of(const Node* parameter) const;
  /// The sum of each of `subtrees_in(runs, leaves)`.
  std::vector<Gradients> take();

 private:
  Gradients& part(std::int64_t leaf) { return parts_[static_cast<std::size_t>(leaf)]; }
  const Gradients& part(std::int64_t leaf) const { return parts_[static_cast<std::size_t>(leaf)]; }
  /// Whether the subtrees of `size` leaves that begin at `left` and `right` lie in one run.
  bool can_merge(std::int64_t left, std::int64_t right, std::int64_t size) const;

  LeafRuns runs_;
  std::int64_t leaves_;
  std::vector<Gradients> parts_;  // by the first leaf of a subtree
  std::vector<std::atomic<int>> arrived_;
};

}  // namespace cosformer
