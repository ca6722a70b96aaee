#pragma once
/// \file
/// The ranks that compute one text together.

#include <span>
#include <vector>

#include "autograd/backward.h"
#include "autograd/step_tree.h"
#include "core/communicator.h"
#include "layers/sequence/sequence_grid.h"

namespace cosformer {

/// Sums over the parts of a text, in an order that depends on the number of parts alone. The ranks of a run form groups of
/// neighbours; a rank alone is a group of one. All functions that move data are collective within the group, and come from
/// the communicator's thread.
class SequenceGroup {
 public:
  /// Of `members` ranks, which divides the number of ranks; `ranks` must outlive it.
  SequenceGroup(Communicator& ranks, int members);

  int members() const { return members_; }
  int member() const { return ranks_.rank() % members_; }
  /// Which of the run's groups this is.
  int number() const { return ranks_.rank() / members_; }
  /// The member whose gradients of parameters count.
  bool is_first() const { return member() == 0; }

  /// This member's parts. Throws InputError if there are fewer than members.
  LeafRange own_parts(const SequenceGrid& grid) const;

  /// The sums over the parts before each own one: state = factors ∘ state + part's tensor, part by part from the left; or,
  /// if `reversed`, over the parts behind it, from the right. `factors` are by position of axis 1.
  std::vector<Tensor> sums_before(std::vector<Tensor> own, std::span<const double> factors, bool reversed);
  /// The sum over all parts, from the left, on every member.
  Tensor sum(std::vector<Tensor> own);
  /// The sums over all parts of the leaves' gradients, on the first member; undefined on the others. `own` holds those of
  /// this member's subtrees of the tree of `parts` parts (autograd/step_tree.h).
  std::vector<Tensor> sum_gradients(const std::vector<Gradients>& own, std::int64_t parts,
                                    std::span<const Node::Edge> leaves);

 private:
  int rank_of(int member) const { return ranks_.rank() - this->member() + member; }
  void send(int member, const Tensor& tensor);
  void receive(int member, Tensor& tensor);

  Communicator& ranks_;
  int members_;
};

}  // namespace cosformer
