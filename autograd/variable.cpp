#include "autograd/variable.h"

#include <algorithm>
#include <utility>

#include "autograd/profile.h"

namespace cosformer {

Variable Variable::leaf(Tensor value) {
  Variable variable(std::move(value));
  variable.node_ = std::make_shared<Node>();
  variable.node_->outputs.push_back({variable.shape(), variable.dtype()});
  return variable;
}

Variable Variable::from_operation(const char* name, Tensor value, std::initializer_list<const Variable*> inputs,
                                  SingleBackward backward) {
  return from_operation(name, std::vector<Tensor>{std::move(value)}, std::span(inputs.begin(), inputs.size()),
                        [single = std::move(backward)](std::span<const Tensor> douts, InputGradients& gradients) {
                          single(douts.front(), gradients);
                        })
      .front();
}

std::vector<Variable> Variable::from_operation(const char* name, const std::vector<Tensor>& values,
                                               std::span<const Variable* const> inputs, Node::Backward backward) {
  std::vector<Node::Edge> edges;
  // Generation and evaluation record nothing, and need no edges.
  if (std::ranges::any_of(inputs, [](const Variable* input) { return input->requires_grad(); })) {
    edges.reserve(inputs.size());
    for (const Variable* input : inputs) edges.push_back({input->node(), input->output()});
  }
  return from_operation(name, values, std::move(edges), std::move(backward));
}

std::vector<Variable> Variable::from_operation(const char* name, const std::vector<Tensor>& values,
                                               std::vector<Node::Edge> inputs, Node::Backward backward) {
  if (Profile* profile = active_profile()) profile->lap(name, ProfileHalf::forward);
  std::vector<Variable> outputs(values.begin(), values.end());
  if (std::ranges::none_of(inputs, [](const Node::Edge& input) { return input.node != nullptr; })) return outputs;
  const auto node = std::make_shared<Node>();
  node->name = name;
  node->inputs = std::move(inputs);
  node->backward = std::move(backward);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    node->outputs.push_back({outputs[i].shape(), outputs[i].dtype()});
    outputs[i].node_ = node;
    outputs[i].output_ = i;
  }
  return outputs;
}

}  // namespace cosformer
