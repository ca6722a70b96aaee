#include "autograd/recompute.h"

#include <unordered_set>
#include <utility>

#include "autograd/backward.h"

namespace cosformer {

std::vector<Node::Edge> leaves_of(const Variable& output, std::span<const Variable> inputs) {
  std::vector<Node::Edge> leaves;
  if (!output.requires_grad()) return leaves;
  std::unordered_set<const Node*> left_out;
  for (const Variable& input : inputs) left_out.insert(input.node().get());
  std::unordered_set<const Node*> seen{output.node().get()};
  std::vector<std::shared_ptr<Node>> waiting{output.node()};
  while (!waiting.empty()) {
    const std::shared_ptr<Node> node = std::move(waiting.back());
    waiting.pop_back();
    if (!node->backward && !left_out.contains(node.get())) leaves.push_back({node, 0});
    for (const Node::Edge& edge : node->inputs) {
      if (edge.node != nullptr && seen.insert(edge.node.get()).second) waiting.push_back(edge.node);
    }
  }
  return leaves;
}

std::vector<Variable> as_leaves(std::span<const Variable> inputs) {
  std::vector<Variable> leaves;
  for (const Variable& input : inputs) leaves.push_back(input.requires_grad() ? Variable::leaf(input.value()) : input);
  return leaves;
}

std::vector<Node::Edge> edges_of(std::span<const Variable> inputs, std::span<const Node::Edge> leaves) {
  std::vector<Node::Edge> edges;
  for (const Variable& input : inputs) edges.push_back({input.node(), input.output()});
  edges.insert(edges.end(), leaves.begin(), leaves.end());
  return edges;
}

Variable recompute(std::vector<Variable> inputs, RecomputedFunction f) {
  // What the closure holds must not keep the graph before it alive.
  const std::vector<Variable> values = as_leaves(inputs);
  const Variable graph = f(values);
  std::vector<Node::Edge> edges = edges_of(inputs, leaves_of(graph, values));
  std::vector<const Node*> places;  // of the inputs that are leaves of the function
  for (std::size_t k = inputs.size(); k < edges.size(); ++k) places.push_back(edges[k].node.get());
  const auto again = [f = std::move(f), values, places](std::span<const Tensor> douts, InputGradients& gradients) {
    const std::vector<Variable> leaves = as_leaves(values);
    const Variable output = f(leaves);
    Gradients sums;
    for (std::size_t k = 0; k < leaves.size(); ++k) sums.set(leaves[k].node().get(), gradients.take(k));
    for (std::size_t k = 0; k < places.size(); ++k) sums.set(places[k], gradients.take(leaves.size() + k));
    const Gradients result = backward(output, douts.front(), std::move(sums));
    const auto give_back = [&](std::size_t k, const Node* leaf) {
      if (Tensor gradient = result.of(leaf); gradient.defined()) gradients.add(k, std::move(gradient));
    };
    for (std::size_t k = 0; k < leaves.size(); ++k) give_back(k, leaves[k].node().get());
    for (std::size_t k = 0; k < places.size(); ++k) give_back(leaves.size() + k, places[k]);
  };
  return Variable::from_operation("recompute", {graph.value()}, std::move(edges), again).front();
}

}  // namespace cosformer
