#pragma once
/// \file
/// The ranks that compute one text together.

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "autograd/backward.h"
#include "autograd/step_tree.h"
#include "core/communicator.h"
#include "layers/sequence/sequence_grid.h"

namespace cosformer {

/// Moves what has been gathered of the parts so far past part `number`, whose own tensor is `own`.
using MoveOn = std::function<void(Tensor& state, const Tensor& own, std::int64_t number)>;

/// Sums over all parts of some leaves' gradients, whose messages travel while their sender and receiver do other things.
class GradientSums {
 public:
  /// Of leaves of the group's text: on the first member; undefined on the others. Waits for the messages.
  std::vector<Tensor> finish();

 private:
  friend class SequenceGroup;
  std::int64_t parts_ = 0;
  std::size_t leaves_ = 0;
  std::unique_ptr<Transfers> transfers_;
  std::vector<Tensor> sent_;               ///< until all is sent
  std::vector<LeafRange> subtrees_;        ///< on the first member, of all of them
  std::vector<std::vector<Tensor>> sums_;  ///< by subtree and leaf
};

/// Sums over the parts of a text, in an order that depends on the number of parts alone. The ranks of a run form groups of
/// neighbours; a rank alone is a group of one. All functions that move data are collective within the group, and come from
/// the communicator's thread.
class SequenceGroup {
 public:
  /// Of `members` ranks, which divides the number of ranks; `ranks` must outlive it.
  SequenceGroup(Communicator& ranks, int members);

  int members() const { return members_; }
  int member() const { return ranks_.rank() % members_; }
  /// The member whose gradients of parameters count.
  bool is_first() const { return member() == 0; }

  /// The group for a text: this one, or, if the text has fewer parts than members, each member by itself, who then all
  /// compute the same.
  SequenceGroup& for_parts(const SequenceGrid& grid) { return grid.count() < members_ ? *alone_ : *this; }
  /// This member's parts, of a text that has enough.
  LeafRange own_parts(const SequenceGrid& grid) const { return grid.parts_of(member(), members_); }

  enum class Direction : std::uint8_t { from_left, from_right };
  /// What each part of `own` finds gathered from the parts before it or, from the right, behind it: zeros at the text's end,
  /// and then what `move_on` makes of it part by part. `parts` are this member's.
  std::vector<Tensor> gather(LeafRange parts, std::vector<Tensor> own, Direction direction, const MoveOn& move_on);
  /// The sum over all parts, from the left, on every member.
  Tensor sum(std::vector<Tensor> own);
  /// Begins to sum the leaves' gradients over all parts. `own` holds those of this member's subtrees of the tree of `parts`
  /// parts (autograd/step_tree.h).
  GradientSums begin_sums(const std::vector<Gradients>& own, std::int64_t parts, std::span<const Node::Edge> leaves);

 private:
  int rank_of(int member) const { return ranks_.rank() - this->member() + member; }
  void send(int member, const Tensor& tensor);
  void receive(int member, Tensor& tensor);

  Communicator& ranks_;
  int members_;
  std::unique_ptr<Communicator> single_;  ///< of a group of several, for texts that are too short for them
  std::unique_ptr<SequenceGroup> alone_;
};

/// The parts of a text, and those that this member of a group has.
struct TextParts {
  SequenceGroup& group;
  SequenceGrid grid;
  LeafRange own;
};

}  // namespace cosformer
