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

/// A pass over a text in parts.
struct CutPass : TextParts {
  Pass pass;  ///< of the whole text

  CutPass(const Pass& whole, const SequenceGrid& cut);
  /// Whether the parts' graphs are kept for the backward pass, which otherwise makes them again, if there is one.
  bool keeps_graphs() const { return pass.record_gradients && !pass.recompute_layers; }
  /// The pass of one part: dropout masks of its own, and no graph if it is not to be recorded.
  Pass of(std::int64_t part, bool recorded) const;
};

/// A function of some variables for one part; results may be undefined.
using PartFunction =
    std::function<std::vector<Variable>(std::int64_t part, std::span<const Variable> inputs, const Pass& pass)>;

/// A part's graph, which ends at the inputs that it was given.
class PartGraph {
 public:
  /// Calls `f`. A graph that is not recorded, or of a pass without one, has values alone.
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
/// gradients are summed over all members, for the first.
std::vector<Variable> run_in_parts(const CutPass& cut, const std::vector<Variable>& inputs, const PartFunction& f);

/// The sum over all parts of `f`'s results, one number each, on every member. What follows must be the same on all members.
/// The gradients are made with the numbers, part by part, so that no graph is kept.
Variable sum_in_parts(const CutPass& cut, const std::vector<Variable>& inputs, const PartFunction& f);

/// The sum of what all parts of a text have, in their order, on every member; each has `own` of its own parts. What follows
/// must be the same on all members.
Variable sum_over_parts(const CutPass& cut, const std::vector<Variable>& own);

/// Adds `all`, times `factor`, to the gradients of an operation's inputs from `first` on; undefined ones are left out.
void add_all(std::vector<Tensor> all, std::size_t first, InputGradients& gradients, double factor = 1);

}  // namespace cosformer
