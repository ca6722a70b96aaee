#include "layers/sequence/layer_in_parts.h"

#include <optional>
#include <utility>

#include "core/parallel.h"

namespace cosformer {

namespace {

/// The places of what the first half of a layer hands on; after these stands the state.
enum Handed : std::size_t { kQuery, kKey, kValue, kGate, kSums, kHanded };

/// A layer over a text, and its two halves as functions of a part.
struct CutLayer {
  CutPass cut;
  CutText text;
  const TransformerLayer& layer;

  const CutAttention& attention() const { return *layer.cut(text.causal); }

  /// x -> query, key, value, gate and the sums of the part's keys.
  std::vector<Variable> open(std::int64_t number, std::span<const Variable> inputs, const Pass& pass) const {
    const SequencePart part = text.part(cut.grid, number);
    const MultiHeadAttention::Heads heads = layer.part_heads(inputs[0], part, pass);
    return {heads.inputs.query, heads.inputs.key, heads.inputs.value, heads.gate,
            attention().key_sums(heads.inputs, part, pass)};
  }
  /// Query, key, value, gate, state and x -> the layer's output.
  std::vector<Variable> close(std::int64_t number, std::span<const Variable> inputs, const Pass& pass) const {
    const SequencePart part = text.part(cut.grid, number);
    const Variable attended = attention().attend({inputs[kQuery], inputs[kKey], inputs[kValue]}, inputs[kSums], part, pass);
    return {layer.close_part(inputs[kHanded], attended, inputs[kGate], pass)};
  }

  PartGraph open_graph(std::int64_t number, const Variable& x, bool recorded = true) const {
    return {cut, number, {&x, 1}, [this](auto... all) { return open(all...); }, recorded};
  }
  PartGraph close_graph(std::int64_t number, const Variable& x, const PartGraph& opened, const Tensor& state,
                        bool recorded = true) const {
    std::vector<Variable> inputs = opened.outputs();
    // A state is no constant: its gradient belongs to the parts that it sums.
    inputs[kSums] = Variable::leaf(state);
    inputs.push_back(x);
    return {cut, number, inputs, [this](auto... all) { return close(all...); }, recorded};
  }

  /// What each own part reads of the others.
  std::vector<Tensor> states(std::vector<Tensor> sums) const {
    if (text.causal) return cut.group.sums_before(std::move(sums), attention().carry(cut.grid.part_tokens()), false);
    const auto own = sums.size();
    return std::vector<Tensor>(own, cut.group.sum(std::move(sums)));
  }
  /// The gradients of the sums from those of the states.
  std::vector<Tensor> sum_gradients(std::vector<Tensor> dstates) const {
    if (text.causal) return cut.group.sums_before(std::move(dstates), attention().carry(cut.grid.part_tokens()), true);
    const auto own = dstates.size();
    return std::vector<Tensor>(own, cut.group.sum(std::move(dstates)));
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

void add_parameters(const CutPass& cut, LeafSums& sums, std::span<const Node::Edge> parameters, std::size_t first,
                    InputGradients& gradients) {
  const std::vector<Tensor> totals = cut.group.sum_gradients(sums.take(), cut.grid.count(), parameters);
  for (std::size_t k = 0; k < totals.size(); ++k) {
    if (totals[k].defined()) gradients.add(first + k, totals[k]);
  }
}

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
    dstates[place] = std::exchange(handed[place][kSums], Tensor());
    kept.closed[place].reset();
    closed.finish(number, std::move(parameters));
  });
  std::vector<Tensor> dsums = kept.layer.sum_gradients(std::move(dstates));
  add_parameters(cut, closed, kept.closed_parameters, own + kept.opened_parameters.size(), gradients);
  std::vector<Tensor> dx(own);
  LeafSums opened({cut.own}, cut.grid.count());
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    handed[place][kSums] = std::move(dsums[place]);
    Gradients parameters;
    const Tensor first = kept.opened[place]->backward(std::span(handed[place]).first(kHanded), parameters).front();
    kept.opened[place].reset();
    dx[place] = add(Variable(handed[place][kHanded]), Variable(first)).value();
    handed[place].clear();
    opened.finish(cut.own.first + i, std::move(parameters));
  });
  for (std::size_t place = 0; place < own; ++place) gradients.add(place, std::move(dx[place]));
  add_parameters(cut, opened, kept.opened_parameters, own, gradients);
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
  const auto kept = std::make_shared<KeptLayer>(KeptLayer{{cut, text, layer}, {}, {}, {}, {}, {}, {}});
  kept->opened.resize(own);
  kept->closed.resize(own);
  std::vector<Node::Edge> edges;
  for (const Variable& part : x) {
    edges.push_back({part.node(), part.output()});
    kept->x.push_back(Variable::leaf(part.value()));
  }
  // What is computed again is recorded once, to know its parameters.
  const bool keeps = !cut.pass.recompute_layers;
  std::vector<Tensor> sums(own), outputs(own);
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    kept->opened[place].emplace(kept->layer.open_graph(cut.own.first + i, kept->x[place], keeps || i == 0));
    sums[place] = kept->opened[place]->outputs()[kSums].value();
  });
  kept->states = kept->layer.states(std::move(sums));
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    kept->closed[place].emplace(kept->layer.close_graph(cut.own.first + i, kept->x[place], *kept->opened[place],
                                                        kept->states[place], keeps || i == 0));
    outputs[place] = kept->closed[place]->outputs().front().value();
    if (keeps || i == 0) return;
    kept->opened[place].reset();
    kept->closed[place].reset();
  });
  kept->opened_parameters = kept->opened.front()->parameters();
  kept->closed_parameters = kept->closed.front()->parameters();
  if (!keeps) {
    kept->opened.front().reset();
    kept->closed.front().reset();
  }
  edges.insert(edges.end(), kept->opened_parameters.begin(), kept->opened_parameters.end());
  edges.insert(edges.end(), kept->closed_parameters.begin(), kept->closed_parameters.end());
  return Variable::from_operation(
      "layer_in_parts", outputs, std::move(edges),
      [kept](std::span<const Tensor> douts, InputGradients& gradients) { layer_backward(*kept, douts, gradients); });
}

}  // namespace cosformer
