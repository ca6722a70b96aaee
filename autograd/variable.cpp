#include "autograd/variable.h"

#include <algorithm>

#include "autograd/profile.h"

namespace cosformer {

Variable Variable::leaf(Tensor value) {
  Variable variable(std::move(value));
  variable.node_ = std::make_shared<Node>();
  variable.node_->shape = variable.shape();
  variable.node_->dtype = variable.dtype();
  return variable;
}

Variable Variable::from_operation(const char* name, Tensor value, std::initializer_list<const Variable*> inputs,
                                  Node::Backward backward) {
  if (Profile* profile = active_profile()) profile->lap(name, ProfileHalf::forward);
  Variable variable(std::move(value));
  if (std::ranges::none_of(inputs, [](const Variable* input) { return input->requires_grad(); })) return variable;
  variable.node_ = std::make_shared<Node>();
  variable.node_->name = name;
  variable.node_->shape = variable.shape();
  variable.node_->dtype = variable.dtype();
  for (const Variable* input : inputs) variable.node_->inputs.push_back(input->node());
  variable.node_->backward = std::move(backward);
  return variable;
}

}  // namespace cosformer
