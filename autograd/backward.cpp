#include "autograd/backward.h"

#include <unordered_set>
#include <utility>

#include "autograd/profile.h"
#include "core/error.h"
#include "core/kernels/elementwise.h"

namespace cosformer {

namespace {

/// Adds `source` to `sum`, in place where nobody else sees its elements.
void accumulate(Tensor& sum, const Tensor& source) {
  if (!sum.is_exclusive() || !sum.is_contiguous()) sum = sum.clone();
  const Tensor dense = source.contiguous();
  dispatch_float(sum.dtype(), [&](auto type) {
    using T = decltype(type);
    accumulate_elements(dense.data<T>(), sum.data<T>(), sum.size());
  });
}

/// Nodes from the inputs to the loss: every node comes after all it was computed from.
std::vector<Node*> topological_order(Node* root) {
  std::vector<Node*> order;
  std::unordered_set<const Node*> seen{root};
  std::vector<std::pair<Node*, std::size_t>> path{{root, 0}};
  while (!path.empty()) {
    auto& [node, next] = path.back();
    if (next == node->inputs.size()) {
      order.push_back(node);
      path.pop_back();
      continue;
    }
    Node* input = node->inputs[next++].get();
    if (input != nullptr && seen.insert(input).second) path.emplace_back(input, 0);
  }
  return order;
}

}  // namespace

Tensor Gradients::of(const Variable& leaf) const {
  const auto found = by_leaf_.find(leaf.node().get());
  return found == by_leaf_.end() ? Tensor() : found->second;
}

void Gradients::add(const Gradients& other) {
  for (const auto& [leaf, gradient] : other.by_leaf_) {
    Tensor& sum = by_leaf_[leaf];
    if (sum.defined()) {
      accumulate(sum, gradient);
    } else {
      sum = gradient;
    }
  }
}

void InputGradients::add(std::size_t k, Tensor gradient) {
  if (!wants(k)) return;
  check<ShapeError>(gradient.shape() == nodes_[k]->shape, "a gradient of shape ", gradient.shape(), " for a value of shape ",
                    nodes_[k]->shape);
  if (slots_[k]->defined()) {
    accumulate(*slots_[k], gradient);
  } else {
    *slots_[k] = std::move(gradient);
  }
}

InputGradients::Target InputGradients::target(std::size_t k) {
  Tensor& slot = *slots_[k];
  const bool fresh = !slot.defined();
  if (fresh) {
    slot = Tensor::empty(nodes_[k]->shape, nodes_[k]->dtype);
  } else if (!slot.is_exclusive() || !slot.is_contiguous()) {
    slot = slot.clone();
  }
  return {slot, fresh};
}

Tensor InputGradients::zeroed_target(std::size_t k) {
  auto [buffer, fresh] = target(k);
  if (fresh) buffer.fill(0);
  return buffer;
}

Gradients backward(const Variable& loss) {
  check<ShapeError>(loss.defined() && loss.value().size() == 1, "[backward] the loss must have one element, not shape ",
                    loss.shape());
  return backward(loss, Tensor::full(loss.shape(), 1.0, loss.dtype()));
}

Gradients backward(const Variable& output, const Tensor& doutput) {
  check<ShapeError>(output.shape() == doutput.shape() && output.dtype() == doutput.dtype(), "[backward] a gradient of shape ",
                    doutput.shape(), " for an output of shape ", output.shape());
  Gradients result;
  if (!output.requires_grad()) return result;

  const std::vector<Node*> order = topological_order(output.node().get());
  for (const Node* node : order) {
    check<Error>(!node->consumed, "[backward] the graph below '", node->name, "' was differentiated before");
  }
  std::unordered_map<const Node*, Tensor> gradients;
  gradients[output.node().get()] = doutput;
  Profile* const profile = active_profile();

  for (std::size_t i = order.size(); i-- > 0;) {
    Node* node = order[i];
    auto found = gradients.find(node);
    if (found == gradients.end()) continue;
    if (!node->backward) {
      result.set(node, std::move(found->second));
      gradients.erase(found);
      continue;
    }
    const Tensor dout = std::move(found->second);
    gradients.erase(found);
    std::vector<Tensor*> slots;
    for (const auto& input : node->inputs) slots.push_back(input ? &gradients[input.get()] : nullptr);
    InputGradients inputs(std::move(slots), node->inputs);
    node->backward(dout, inputs);
    for (const auto& input : node->inputs) {
      if (input && !gradients[input.get()].defined()) gradients.erase(input.get());
    }
    node->backward = nullptr;
    if (profile != nullptr) profile->lap(node->name, ProfileHalf::backward);
    node->consumed = true;
  }
  return result;
}

}  // namespace cosformer
