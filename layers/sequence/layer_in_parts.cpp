#include "layers/sequence/layer_in_parts.h"

#include <optional>
#include <utility>

#include "autograd/recompute.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

/// The places of what the first half of a layer gives, and behind these x.
enum Opened : std::size_t { kQuery, kKey, kValue, kGate, kHanded, kOpened };

/// A layer over a text, and its two halves as functions of a part.
struct CutLayer {
  CutPass cut;
  CutText text;
  const TransformerLayer& layer;

  const CutAttention& attention() const { return *layer.cut(); }

  /// x -> query, key, value, gate and what the part hands on.
  std::vector<Variable> open(std::int64_t number, std::span<const Variable> inputs, const Pass& pass) const {
    const SequencePart part = text.part(cut.grid, number);
    const MultiHeadAttention::Heads heads = layer.heads(inputs[0], part.mask.key_mask, part.first, pass);
    return {heads.inputs.query, heads.inputs.key, heads.inputs.value, heads.gate,
            attention().handed(heads.inputs, part, pass)};
  }
  /// Query, key, value, gate, state and x -> the layer's output.
  std::vector<Variable> close(std::int64_t number, std::span<const Variable> inputs, const Pass& pass) const {
    const SequencePart part = text.part(cut.grid, number);
    const Variable attended = layer.attend_part({inputs[kQuery], inputs[kKey], inputs[kValue]}, inputs[kHanded], part, pass);
    return {layer.feed(layer.close_attention(inputs[kOpened], attended, inputs[kGate], pass), pass)};
  }

  PartGraph open_graph(std::int64_t number, const Variable& x, bool recorded = true) const {
    return {cut, number, {&x, 1}, [this](auto... all) { return open(all...); }, recorded};
  }
  PartGraph close_graph(std::int64_t number, const Variable& x, const PartGraph& opened, const Tensor& state,
                        bool recorded = true) const {
    std::vector<Variable> inputs = opened.outputs();
    // A state is no constant: its gradient belongs to what other parts handed on.
    inputs[kHanded] = Variable::leaf(state);
    inputs.push_back(x);
    return {cut, number, inputs, [this](auto... all) { return close(all...); }, recorded};
  }
};

/// What the backward pass of a layer needs.
struct KeptLayer {
  CutLayer layer;
  std::vector<Variable> x;  ///< leaves of these graphs alone
  std::vector<Tensor> states;
  std::vector<std::optional<PartGraph>> opened, closed;  ///< none if they are to be computed again
  std::vector<Node::Edge> opened_parameters, closed_parameters;
};

void layer_backward(KeptLayer& kept, std::span<const Tensor> douts, InputGradients& gradients) {
  const CutPass& cut = kept.layer.cut;
  const auto own = static_cast<std::size_t>(cut.own.count());
  std::vector<std::vector<Tensor>> handed(own);  // gradients of what was handed over, and of x
  std::vector<Tensor> dstates(own);
  LeafSums closed({cut.own}, cut.grid.count());
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    const std::int64_t number = cut.own.first + i;
    if (!kept.opened[place]) kept.opened[place].emplace(kept.layer.open_graph(number, kept.x[place]));
    if (!kept.closed[place])
      kept.closed[place].emplace(kept.layer.close_graph(number, kept.x[place], *kept.opened[place], kept.states[place]));
    Gradients parameters;
    handed[place] = kept.closed[place]->backward(douts.subspan(place, 1), parameters);
    dstates[place] = std::exchange(handed[place][kHanded], Tensor());
    // The first part of a text may read nothing of others.
    if (!dstates[place].defined()) dstates[place] = Tensor::zeros(kept.states[place].shape(), kept.states[place].dtype());
    kept.closed[place].reset();
    closed.finish(number, std::move(parameters));
  });
  std::vector<Tensor> dhanded = kept.layer.attention().handed_gradients(cut, kept.layer.text.causal, std::move(dstates));
  // What the next parts wait for has been sent; these travel while the first halves run.
  GradientSums closed_sums = cut.group.begin_sums(closed.take(), cut.grid.count(), kept.closed_parameters);
  std::vector<Tensor> dx(own);
  LeafSums opened({cut.own}, cut.grid.count());
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    handed[place][kHanded] = std::move(dhanded[place]);
    Gradients parameters;
    const Tensor first = kept.opened[place]->backward(std::span(handed[place]).first(kOpened), parameters).front();
    kept.opened[place].reset();
    // Without parameters before the layer there is no gradient to hand back.
    if (first.defined()) dx[place] = add(Variable(handed[place][kOpened]), Variable(first)).value();
    handed[place].clear();
    opened.finish(cut.own.first + i, std::move(parameters));
  });
  GradientSums opened_sums = cut.group.begin_sums(opened.take(), cut.grid.count(), kept.opened_parameters);
  add_all(std::move(dx), 0, gradients);
  add_all(closed_sums.finish(), own + kept.opened_parameters.size(), gradients);
  add_all(opened_sums.finish(), own, gradients);
}

}  // namespace

SequencePart CutText::part(const SequenceGrid& grid, std::int64_t number) const {
  const std::int64_t first = grid.first(number), tokens = grid.tokens(number);
  const SharedPaddingMask own = slice(mask, first, tokens);
  return {first, grid.length(), {causal, own, own}, {causal, mask, mask}};
}

std::vector<Variable> layer_in_parts(const CutPass& cut, const CutText& text, const TransformerLayer& layer,
                                     const std::vector<Variable>& x) {
  const auto own = static_cast<std::size_t>(cut.own.count());
  const auto kept = std::make_shared<KeptLayer>(KeptLayer{{cut, text, layer}, as_leaves(x), {}, {}, {}, {}, {}});
  kept->opened.resize(own);
  kept->closed.resize(own);
  const bool keeps = cut.keeps_graphs();
  std::vector<Tensor> handed(own), outputs(own);
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    // What is made again is recorded once, to know its parameters.
    const PartGraph& opened =
        kept->opened[place].emplace(kept->layer.open_graph(cut.own.first + i, kept->x[place], keeps || i == 0));
    if (i == 0) kept->opened_parameters = opened.parameters();
    handed[place] = opened.outputs()[kHanded].value();
  });
  kept->states = kept->layer.attention().states(cut, text.causal, std::move(handed));
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    const PartGraph& closed = kept->closed[place].emplace(kept->layer.close_graph(
        cut.own.first + i, kept->x[place], *kept->opened[place], kept->states[place], keeps || i == 0));
    if (i == 0) kept->closed_parameters = closed.parameters();
    outputs[place] = closed.outputs().front().value();
    if (keeps) return;
    kept->opened[place].reset();
    kept->closed[place].reset();
  });
  std::vector<Node::Edge> edges = edges_of(x, kept->opened_parameters);
  edges.insert(edges.end(), kept->closed_parameters.begin(), kept->closed_parameters.end());
  return Variable::from_operation(
      "layer_in_parts", outputs, std::move(edges),
      [kept](std::span<const Tensor> douts, InputGradients& gradients) { layer_backward(*kept, douts, gradients); });
}

}  // namespace cosformer
