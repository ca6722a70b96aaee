#pragma once
/// \file
/// The backward pass: from a scalar loss to the gradients of the leaves, as a value.

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "autograd/variable.h"
#include "core/kernels/gradient.h"

namespace cosformer {

/// Gradients by leaf. Clipping, accumulation and checks for non-finite values are functions of this value; nothing is
/// stored in the leaves.
class Gradients {
 public:
  /// The gradient of a leaf; an undefined tensor if no path leads from the loss to it.
  Tensor of(const Variable& leaf) const { return of(leaf.node().get()); }
  Tensor of(const Node* leaf) const;
  bool empty() const { return by_leaf_.empty(); }
  /// An undefined gradient stands for none.
  void set(const Node* leaf, Tensor gradient);
  /// Adds `other` (of another shard or micro batch) to this one, leaf by leaf.
  void add(const Gradients& other);
  /// Calls `visit(leaf, gradient)` for each leaf with a gradient, in no particular order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [leaf, gradient] : by_leaf_) visit(leaf, gradient);
  }

 private:
  std::unordered_map<const Node*, Tensor> by_leaf_;
};

/// What an operation's closure fills: the gradients of its inputs.
class InputGradients {
 public:
  explicit InputGradients(std::vector<Tensor*> slots, const std::vector<Node::Edge>& edges)
      : slots_(std::move(slots)), edges_(edges) {}

  /// False if no gradient flows into input `k`: its computation can be left out.
  bool wants(std::size_t k) const { return slots_[k] != nullptr; }
  /// Adds `gradient` to that of input `k`.
  void add(std::size_t k, Tensor gradient);
  /// Takes away the gradient that has come to input `k` so far, to be added to elsewhere and brought back by `add`;
  /// undefined if there is none.
  Tensor take(std::size_t k) { return wants(k) ? std::exchange(*slots_[k], Tensor()) : Tensor(); }

  /// Where a kernel puts the gradient of input `k`: null if none is wanted. It is to be added to if another gradient of the
  /// same variable has come or comes beside it. The kernel must run before `add` is called.
  template <class T>
  Gradient<T> gradient(std::size_t k) {
    if (!wants(k)) return {};
    const bool add = prepare(k);
    return {slots_[k]->data<T>(), add};
  }

 private:
  /// Makes the slot a contiguous tensor that nobody else sees. True if it holds a gradient already.
  bool prepare(std::size_t k);

  std::vector<Tensor*> slots_;
  const std::vector<Node::Edge>& edges_;
};

/// Told the gradient of a leaf when the pass has added all that the graph gives it, in place or not: read it only. The pass
/// goes on with the nodes before it.
using LeafDone = std::function<void(const Node* leaf, const Tensor& gradient)>;

/// Gradients of `loss` (one element) with respect to all leaves it was computed from.
///
/// Each operation's saved tensors are freed as soon as the pass has gone through it, so a graph can be used once; a
/// second call throws Error. The order of operations depends on the graph alone. The gradients are added to `sums`, those of
/// graphs before this one, in place. `done`, if given, is called for each leaf of the graph.
Gradients backward(const Variable& loss, Gradients sums = {}, const LeafDone& done = {});
/// The same from the gradient of an output of any shape, `doutput` = dL/d(output). Throws ShapeError if the shapes
/// differ.
Gradients backward(const Variable& output, const Tensor& doutput, Gradients sums = {}, const LeafDone& done = {});

}  // namespace cosformer
