#include "layers/sequence/part_graphs.h"

#include <optional>
#include <unordered_set>
#include <utility>

#include "autograd/profile.h"
#include "autograd/recompute.h"
#include "core/parallel.h"

namespace cosformer {

CutPass::CutPass(const Pass& whole, const SequenceGrid& cut)
    : group(*whole.sequence), grid(cut), own(group.own_parts(grid)), pass(whole) {}

Pass CutPass::of(std::int64_t part, bool recorded) const {
  constexpr int kSequenceBits = 40;  // no run has more sequences
  Pass own_pass = pass;
  own_pass.sequence = nullptr;
  own_pass.record_gradients = recorded;
  own_pass.noise_index += static_cast<std::uint64_t>(part + 1) << kSequenceBits;
  return own_pass;
}

PartGraph::PartGraph(const CutPass& cut, std::int64_t part, std::span<const Variable> inputs, const PartFunction& f,
                     bool recorded) {
  if (Profile* profile = active_profile()) profile->start();
  inputs_ = as_leaves(inputs);
  if (!recorded) {
    for (Variable& input : inputs_) input = input.detach();
  }
  outputs_ = f(part, inputs_, cut.of(part, recorded));
}

Variable PartGraph::joined() const {
  std::vector<const Variable*> ends;
  for (const Variable& output : outputs_) ends.push_back(&output);
  // Only its gradients matter, which `backward` puts in place of this function.
  return Variable::from_operation("parts", {Tensor::zeros({1})}, ends, [](std::span<const Tensor>, InputGradients&) {})
      .front();
}

std::vector<Node::Edge> PartGraph::parameters() const {
  std::unordered_set<const Node*> own;
  for (const Variable& input : inputs_) own.insert(input.node().get());
  std::vector<Node::Edge> parameters;
  for (Node::Edge& leaf : leaves_of(joined())) {
    if (!own.contains(leaf.node.get())) parameters.push_back(std::move(leaf));
  }
  return parameters;
}

std::vector<Tensor> PartGraph::backward(std::span<const Tensor> doutputs, Gradients& parameters) const {
  if (Profile* profile = active_profile()) profile->start();
  const Variable root = joined();
  if (root.requires_grad()) {
    const std::vector<Tensor> douts(doutputs.begin(), doutputs.end());
    root.node()->backward = [douts](std::span<const Tensor>, InputGradients& gradients) {
      for (std::size_t k = 0; k < douts.size(); ++k) {
        if (douts[k].defined()) gradients.add(k, douts[k]);
      }
    };
    parameters = cosformer::backward(root);
  }
  std::vector<Tensor> dinputs;
  for (const Variable& input : inputs_) {
    dinputs.push_back(parameters.of(input));
    if (input.requires_grad()) parameters.set(input.node().get(), Tensor());
  }
  return dinputs;
}

std::vector<Variable> run_in_parts(const CutPass& cut, const std::vector<Variable>& inputs, PartFunction f) {
  const auto own = static_cast<std::size_t>(cut.own.count());
  std::vector<std::optional<PartGraph>> graphs(own);
  std::vector<Tensor> outputs(own);
  std::vector<Node::Edge> edges;
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    // What is computed again is recorded once, to know its parameters.
    graphs[place].emplace(cut, cut.own.first + i, std::span(inputs).subspan(place, 1), f,
                          !cut.pass.recompute_layers || i == 0);
    outputs[place] = graphs[place]->outputs().front().value();
    if (cut.pass.recompute_layers && i > 0) graphs[place].reset();
  });
  std::vector<bool> takes_part;
  std::vector<Variable> values;
  for (const Variable& input : inputs) {
    edges.push_back({input.node(), input.output()});
    takes_part.push_back(input.requires_grad());
    values.push_back(input.detach());
  }
  const std::vector<Node::Edge> parameters = graphs.front()->parameters();
  edges.insert(edges.end(), parameters.begin(), parameters.end());
  if (cut.pass.recompute_layers) graphs.front().reset();
  const auto backward = [cut, graphs = std::move(graphs), values, takes_part, f = std::move(f), parameters](
                            std::span<const Tensor> douts, InputGradients& gradients) {
    LeafSums sums({cut.own}, cut.grid.count());
    std::vector<Tensor> dinputs(values.size());
    parallel_for(cut.own.count(), [&](std::int64_t i) {
      const auto place = static_cast<std::size_t>(i);
      const auto run = [&](const PartGraph& graph) {
        Gradients own_parameters;
        dinputs[place] = graph.backward(douts.subspan(place, 1), own_parameters).front();
        sums.finish(cut.own.first + i, std::move(own_parameters));
      };
      if (graphs[place]) return run(*graphs[place]);
      const Variable input = takes_part[place] ? Variable::leaf(values[place].value()) : values[place];
      run(PartGraph(cut, cut.own.first + i, {&input, 1}, f));
    });
    for (std::size_t place = 0; place < dinputs.size(); ++place) {
      if (dinputs[place].defined()) gradients.add(place, dinputs[place]);
    }
    const std::vector<Tensor> totals = cut.group.sum_gradients(sums.take(), cut.grid.count(), parameters);
    for (std::size_t k = 0; k < totals.size(); ++k) {
      if (totals[k].defined()) gradients.add(values.size() + k, totals[k]);
    }
  };
  return Variable::from_operation("parts", outputs, std::move(edges), backward);
}

Variable sum_over_parts(const CutPass& cut, const std::vector<Variable>& own) {
  std::vector<Tensor> values;
  std::vector<const Variable*> inputs;
  for (const Variable& part : own) {
    values.push_back(part.value());
    inputs.push_back(&part);
  }
  return Variable::from_operation("sum_over_parts", std::vector<Tensor>{cut.group.sum(std::move(values))}, inputs,
                                  [count = own.size()](std::span<const Tensor> douts, InputGradients& gradients) {
                                    for (std::size_t k = 0; k < count; ++k) gradients.add(k, douts.front());
                                  })
      .front();
}

}  // namespace cosformer
