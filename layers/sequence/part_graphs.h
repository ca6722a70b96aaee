#pragma once
/// \file
/// Graphs of the parts of a text, which run side by side, within the graph of the whole.

#include <functional>
#include <span>
#include <vector>

#include "autograd/backward.h"
#include "layers/pass.h"
#include "layers/sequence/sequence_group.h"

namespace cosformer {

/// A training pass over a text in parts.
struct CutPass {
  SequenceGroup& group;
  SequenceGrid grid;
  LeafRange own;  ///< this member's parts
  Pass pass;      ///< of the whole text

  CutPass(const Pass& whole, const SequenceGrid& cut);
  /// The pass of one part: dropout masks of its own, and no graph if it is not to be recorded.
  Pass of(std::int64_t part, bool recorded) const;
};

/// A function of some variables for one part; results may be undefined.
using PartFunction =
    std::function<std::vector<Variable>(std::int64_t part, std::span<const Variable> inputs, const Pass& pass)>;

/// A part's graph, which ends at the inputs that it was given.
class PartGraph {
 public:
  /// Calls `f`. A graph that is not recorded has values alone.
  PartGraph(const CutPass& cut, std::int64_t part, std::span<const Variable> inputs, const PartFunction& f,
            bool recorded = true);

  const std::vector<Variable>& outputs() const { return outputs_; }
  /// The leaves beside the inputs: parameters.
  std::vector<Node::Edge> parameters() const;
  /// The gradients of the inputs, undefined if no path leads to them; those of the parameters are put into `parameters`.
  /// The graph can be used once.
  std::vector<Tensor> backward(std::span<const Tensor> doutputs, Gradients& parameters) const;

 private:
  Variable joined() const;

  std::vector<Variable> inputs_, outputs_;
};

/// One result of `f` for each own part of one input each, as one operation. Parts run side by side. Their parameters'
/// gradients are summed over all members, for the first. With Pass::recompute_layers the graphs are not kept.
std::vector<Variable> run_in_parts(const CutPass& cut, const std::vector<Variable>& inputs, PartFunction f);

/// The sum of what all parts of a text have, in their order, on every member; each has `own` of its own parts. What follows
/// must be the same on all members.
Variable sum_over_parts(const CutPass& cut, const std::vector<Variable>& own);

}  // namespace cosformer
