#pragma once
/// \file
/// Values with a history, and the graph node that holds it.

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/tensor.h"

namespace cosformer {

class InputGradients;

/// One operation of a graph: what it was computed from, and how its outputs' gradients become gradients of its inputs.
///
/// A node holds neither its outputs nor its inputs' values: the closure holds what the backward pass needs, and nothing
/// else keeps activations alive. A leaf (a parameter) has no closure and one output.
struct Node {
  /// Given dL/d(output i), undefined if no gradient flows into it, adds to dL/d(input k) for each k that `inputs.wants`.
  using Backward = std::function<void(std::span<const Tensor> douts, InputGradients& inputs)>;

  struct Output {
    Shape shape;
    DType dtype = DType::float32;
  };
  /// An output of another node; null if an input is a constant.
  struct Edge {
    std::shared_ptr<Node> node;
    std::size_t output = 0;
    const Output& value() const { return node->outputs[output]; }
  };

  const char* name = "leaf";
  std::vector<Output> outputs;
  std::vector<Edge> inputs;
  Backward backward;
  bool consumed = false;  ///< a backward pass went through and freed what the closure held
};

/// A tensor and, if a gradient can flow through it, its node. Copies share both.
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
  /// Which of its node's outputs this is.
  std::size_t output() const { return output_; }
  /// The same value without the history.
  Variable detach() const { return Variable(value_); }

  /// Given dL/d(output), adds to dL/d(input k) for each k that `inputs.wants`.
  using SingleBackward = std::function<void(const Tensor& dout, InputGradients& inputs)>;
  /// The output of an operation. Without a differentiable input the result is a constant and `backward` is dropped.
  static Variable from_operation(const char* name, Tensor value, std::initializer_list<const Variable*> inputs,
                                 SingleBackward backward);
  /// The outputs of an operation that has several: its closure runs once, when all their gradients are known.
  static std::vector<Variable> from_operation(const char* name, const std::vector<Tensor>& values,
                                              std::span<const Variable* const> inputs, Node::Backward backward);
  /// The same from outputs of other nodes instead of variables; `inputs` without a node are constants.
  static std::vector<Variable> from_operation(const char* name, const std::vector<Tensor>& values,
                                              std::vector<Node::Edge> inputs, Node::Backward backward);

 private:
  Tensor value_;
  std::shared_ptr<Node> node_;
  std::size_t output_ = 0;
};

}  // namespace cosformer
