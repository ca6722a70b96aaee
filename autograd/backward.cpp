#include "autograd/backward.h"

#include <algorithm>
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
  dispatch_float(sum.dtype(), [&]<class T>(T) { accumulate_elements(dense.data<T>(), sum.data<T>(), sum.size()); });
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
    Node* input = node->inputs[next++].node.get();
    if (input != nullptr && seen.insert(input).second) path.emplace_back(input, 0);
  }
  return order;
}

}  // namespace

Tensor Gradients::of(const Node* leaf) const {
  const auto found = by_leaf_.find(leaf);
  return found == by_leaf_.end() ? Tensor() : found->second;
}

void Gradients::set(const Node* leaf, Tensor gradient) {
  if (gradient.defined()) {
    by_leaf_[leaf] = std::move(gradient);
  } else {
    by_leaf_.erase(leaf);
  }
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
  check<ShapeError>(gradient.shape() == edges_[k].value().shape, "a gradient of shape ", gradient.shape(),
                    " for a value of shape ", edges_[k].value().shape);
  if (slots_[k]->defined()) {
    accumulate(*slots_[k], gradient);
  } else {
    *slots_[k] = std::move(gradient);
  }
}

bool InputGradients::prepare(std::size_t k) {
  Tensor& slot = *slots_[k];
  if (!slot.defined()) {
    slot = Tensor::empty(edges_[k].value().shape, edges_[k].value().dtype);
    // A variable that is two inputs gets both gradients, whichever the kernel computes first.
    const bool shared = std::ranges::count(slots_, slots_[k]) > 1;
    if (shared) slot.fill(0);
    return shared;
  }
  if (!slot.is_exclusive() || !slot.is_contiguous()) slot = slot.clone();
  return true;
}

Gradients backward(const Variable& loss, Gradients sums, const LeafDone& done) {
  check<ShapeError>(loss.defined() && loss.value().size() == 1, "[backward] the loss must have one element, not shape ",
                    loss.shape());
  return backward(loss, Tensor::full(loss.shape(), 1.0, loss.dtype()), std::move(sums), done);
}

Gradients backward(const Variable& output, const Tensor& doutput, Gradients sums, const LeafDone& done) {
  check<ShapeError>(output.shape() == doutput.shape() && output.dtype() == doutput.dtype(),
                    "[backward] a gradient of shape ", doutput.shape(), " for an output of shape ", output.shape());
  if (!output.requires_grad()) return sums;

  const std::vector<Node*> order = topological_order(output.node().get());
  // Gradients of all outputs of all nodes; those of a node begin at its place.
  std::unordered_map<const Node*, std::size_t> places;
  std::size_t outputs = 0;
  for (const Node* node : order) {
    check<Error>(!node->consumed, "[backward] the graph below '", node->name, "' was differentiated before");
    places[node] = outputs;
    outputs += node->outputs.size();
  }
  std::vector<Tensor> gradients(outputs);
  sums.for_each([&](const Node* leaf, const Tensor& gradient) {
    if (const auto found = places.find(leaf); found != places.end()) gradients[found->second] = gradient;
  });
  // From here on the slots alone hold the earlier sums, so that they can be added to in place.
  for (const Node* node : order) {
    if (!node->backward) sums.set(node, Tensor());
  }
  Tensor& begin = gradients[places.at(output.node().get()) + output.output()];
  // An output that is a leaf itself may have a sum of earlier graphs.
  if (begin.defined()) {
    accumulate(begin, doutput);
  } else {
    begin = doutput;
  }
  Profile* const profile = active_profile();

  for (std::size_t i = order.size(); i-- > 0;) {
    Node* node = order[i];
    const std::span<Tensor> douts(gradients.data() + places.at(node), node->outputs.size());
    if (!node->backward) {
      if (done && douts.front().defined()) done(node, douts.front());
      sums.set(node, std::move(douts.front()));
      continue;
    }
    if (std::ranges::any_of(douts, &Tensor::defined)) {
      std::vector<Tensor*> slots;
      for (const Node::Edge& edge : node->inputs) {
        slots.push_back(edge.node ? &gradients[places.at(edge.node.get()) + edge.output] : nullptr);
      }
      InputGradients inputs(std::move(slots), node->inputs);
      node->backward(douts, inputs);
      std::ranges::fill(douts, Tensor());
    }
    node->backward = nullptr;
    if (profile != nullptr) profile->lap(node->name, ProfileHalf::backward);
    node->consumed = true;
  }
  return sums;
}

}  // namespace cosformer
