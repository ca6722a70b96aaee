#include "layers/sequence/part_graphs.h"

#include <optional>
#include <utility>

#include "autograd/ops.h"
#include "autograd/profile.h"
#include "autograd/recompute.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

TextParts parts_of_text(SequenceGroup& ranks, const SequenceGrid& grid) {
  SequenceGroup& group = ranks.for_parts(grid);
  return {group, grid, group.own_parts(grid)};
}

}  // namespace

CutPass::CutPass(const Pass& whole, const SequenceGrid& cut) : TextParts(parts_of_text(*whole.sequence, cut)), pass(whole) {}

Pass CutPass::of(std::int64_t part, bool recorded) const {
  constexpr int kSequenceBits = 40;  // no run has more sequences
  Pass own_pass = pass;
  own_pass.sequence = nullptr;
  own_pass.record_gradients = pass.record_gradients && recorded;
  own_pass.noise_index += static_cast<std::uint64_t>(part + 1) << kSequenceBits;
  return own_pass;
}

PartGraph::PartGraph(const CutPass& cut, std::int64_t part, std::span<const Variable> inputs, const PartFunction& f,
                     bool recorded) {
  if (Profile* profile = active_profile()) profile->start();
  const Pass pass = cut.of(part, recorded);
  inputs_ = as_leaves(inputs);
  if (!pass.record_gradients) {
    for (Variable& input : inputs_) input = input.detach();
  }
  outputs_ = f(part, inputs_, pass);
}

Variable PartGraph::joined() const {
  std::vector<const Variable*> ends;
  for (const Variable& output : outputs_) ends.push_back(&output);
  // Only its gradients matter, which `backward` puts in place of this function.
  return Variable::from_operation("parts", {Tensor::zeros({1})}, ends, [](std::span<const Tensor>, InputGradients&) {})
      .front();
}

std::vector<Node::Edge> PartGraph::parameters() const { return leaves_of(joined(), inputs_); }

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

void add_all(std::vector<Tensor> all, std::size_t first, InputGradients& gradients, double factor) {
  for (Tensor& own : all) {
    // A factor of 1 is the rule.
    if (own.defined()) gradients.add(first, factor == 1 ? std::move(own) : scale(Variable(own), factor).value());
    ++first;
  }
}

std::vector<Variable> run_in_parts(const CutPass& cut, const std::vector<Variable>& inputs, const PartFunction& f) {
  const auto own = static_cast<std::size_t>(cut.own.count());
  std::vector<std::optional<PartGraph>> graphs(own);
  std::vector<Tensor> outputs(own);
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    graphs[place].emplace(cut, cut.own.first + i, std::span(inputs).subspan(place, 1), f);
    outputs[place] = graphs[place]->outputs().front().value();
  });
  const std::vector<Node::Edge> parameters = graphs.front()->parameters();
  const auto backward = [cut, graphs = std::move(graphs), parameters](std::span<const Tensor> douts,
                                                                      InputGradients& gradients) {
    LeafSums sums({cut.own}, cut.grid.count());
    std::vector<Tensor> dinputs(graphs.size());
    parallel_for(cut.own.count(), [&](std::int64_t i) {
      const auto place = static_cast<std::size_t>(i);
      Gradients own_parameters;
      dinputs[place] = graphs[place]->backward(douts.subspan(place, 1), own_parameters).front();
      sums.finish(cut.own.first + i, std::move(own_parameters));
    });
    add_all(std::move(dinputs), 0, gradients);
    add_all(cut.group.begin_sums(sums.take(), cut.grid.count(), parameters).finish(), graphs.size(), gradients);
  };
  return Variable::from_operation("parts", outputs, edges_of(inputs, parameters), backward);
}

Variable sum_in_parts(const CutPass& cut, const std::vector<Variable>& inputs, const PartFunction& f) {
  const auto own = static_cast<std::size_t>(cut.own.count());
  std::vector<Tensor> values(own), dinputs(own);
  std::vector<Node::Edge> parameters;  // of the first graph, as of all
  LeafSums sums({cut.own}, cut.grid.count());
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    const PartGraph graph(cut, cut.own.first + i, std::span(inputs).subspan(place, 1), f);
    values[place] = graph.outputs().front().value();
    if (!cut.pass.record_gradients) return;
    if (i == 0) parameters = graph.parameters();
    const Tensor one = Tensor::full(values[place].shape(), 1.0, values[place].dtype());
    Gradients own_parameters;
    dinputs[place] = graph.backward({&one, 1}, own_parameters).front();
    sums.finish(cut.own.first + i, std::move(own_parameters));
  });
  const auto backward = [cut, dinputs,
                         gradients_of_parts = cut.pass.record_gradients ? sums.take() : std::vector<Gradients>(),
                         parameters](std::span<const Tensor> douts, InputGradients& gradients) {
    const double dsum = douts.front().item();
    add_all(dinputs, 0, gradients, dsum);
    add_all(cut.group.begin_sums(gradients_of_parts, cut.grid.count(), parameters).finish(), dinputs.size(), gradients,
            dsum);
  };
  return Variable::from_operation("parts", {cut.group.sum(std::move(values))}, edges_of(inputs, parameters), backward)
      .front();
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
