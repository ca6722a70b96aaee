#pragma once
/// \file
/// Values with a history, and the graph node that holds it.

#include <functional>
#include <memory>
#include <vector>

#include "core/tensor.h"

namespace cosformer {

class InputGradients;

/// One operation of a graph: what it was computed from, and how its output's gradient becomes gradients of its inputs.
///
/// A node holds neither its output nor its inputs' values: the closure holds what the backward pass needs, and nothing
/// else keeps activations alive. A leaf (a parameter) has no closure.
struct Node {
  /// Given dL/d(output), adds to dL/d(input k) for each k that `inputs.wants`.
  using Backward = std::function<void(const Tensor& dout, InputGradients& inputs)>;

  const char* name = "leaf";
  Shape shape;
  DType dtype = DType::float32;
  std::vector<std::shared_ptr<Node>> inputs;  ///< null where an input is a constant
  Backward backward;
  bool consumed = false;  ///< a backward pass went through and freed what the closure held
};

/// A tensor and, where a gradient can flow through it, its node. Copies share both.
///
/// Graphs may be built and differentiated in several threads at once, as long as each graph belongs to one thread:
/// the leaves they share are only read.
class Variable {
 public:
  Variable() = default;
  /// A constant: no gradient flows into it.
  explicit Variable(Tensor value) : value_(std::move(value)) {}
  /// A leaf: `backward` reports its gradient.
  static Variable leaf(Tensor value);

  bool defined() const { return value_.defined(); }
  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  std::int64_t dim(int axis) const { return value_.dim(axis); }
  DType dtype() const { return value_.dtype(); }
  bool requires_grad() const { return node_ != nullptr; }
  const std::shared_ptr<Node>& node() const { return node_; }
  /// The same value without the history.
  Variable detach() const { return Variable(value_); }

  /// The output of an operation. Without a differentiable input the result is a constant and `backward` is dropped.
  static Variable from_operation(const char* name, Tensor value, std::initializer_list<const Variable*> inputs,
                                 Node::Backward backward);

 private:
  Tensor value_;
  std::shared_ptr<Node> node_;
};

}  // namespace cosformer
