#include "layers/attention/window_in_parts.h"

#include <algorithm>
#include <utility>

#include "layers/attention/stack_rows.h"
#include "layers/sequence/sequence_group.h"

namespace cosformer {

namespace {

using Direction = SequenceGroup::Direction;

/// Rows of zeros, like those of x.
Variable zero_rows(const Variable& x, std::int64_t rows) {
  return Variable(Tensor::zeros(x.shape().with_dim(1, rows), x.dtype()));
}

/// A part's rows that are nearest to the side it is left by, as an edge of w rows.
struct Edge {
  std::int64_t w, part_tokens;
  Direction direction;

  /// How many rows of the edge before stay within reach behind the part.
  std::int64_t kept() const { return std::max<std::int64_t>(w - part_tokens, 0); }
  /// Where they stand in the edge before the part, and in the one behind it.
  std::int64_t before() const { return direction == Direction::from_left ? w - kept() : 0; }
  std::int64_t behind() const { return direction == Direction::from_left ? 0 : w - kept(); }
};

/// The rows [first, first + w) of axis 1 of each tensor.
std::vector<Tensor> rows_of(const std::vector<Tensor>& all, std::int64_t first, std::int64_t w) {
  std::vector<Tensor> rows;
  for (const Tensor& own : all) rows.push_back(own.narrow(1, first, w).contiguous());
  return rows;
}

/// a above b, for each part.
std::vector<Tensor> stacked(const std::vector<Tensor>& above, const std::vector<Tensor>& below) {
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < above.size(); ++i) all.push_back(stack_rows(Variable(above[i]), Variable(below[i])).value());
  return all;
}

/// The edges that each part finds: those of the part beside it, and of parts further away what is still within reach.
std::vector<Tensor> edges(const TextParts& text, std::int64_t w, Direction direction, std::vector<Tensor> handed) {
  return text.group.gather(
      text.own, std::move(handed), direction, [&](Tensor& edge, const Tensor& own, std::int64_t number) {
        const Edge step{w, text.grid.tokens(number), direction};
        Tensor next = own.clone();
        if (step.kept() > 0)
          next.narrow(1, step.behind(), step.kept()).copy_from(edge.narrow(1, step.before(), step.kept()));
        edge = next;
      });
}

/// The way back: what a part handed on has the gradients of the edge behind it.
std::vector<Tensor> edge_gradients(const TextParts& text, std::int64_t w, Direction direction, std::vector<Tensor> dedges) {
  const Direction back = direction == Direction::from_left ? Direction::from_right : Direction::from_left;
  return text.group.gather(text.own, std::move(dedges), back, [&](Tensor& dedge, const Tensor& own, std::int64_t number) {
    const Edge step{w, text.grid.tokens(number), direction};
    Tensor next = own.clone();
    if (step.kept() > 0) {
      Tensor stays = next.narrow(1, step.before(), step.kept());
      stays.copy_from(
          add(Variable(stays.contiguous()), Variable(dedge.narrow(1, step.behind(), step.kept()).contiguous())).value());
    }
    dedge = next;
  });
}

}  // namespace

WindowInParts::WindowInParts(SoftmaxAttentionOptions options)
    : options_(std::move(options)), reach_(std::max<std::int64_t>(options_.window, 1)) {}

Variable WindowInParts::handed(const AttentionInputs& inputs, const SequencePart& part, const Pass&) const {
  const std::int64_t tokens = inputs.key.dim(1), rows = std::min(reach_, tokens);
  const auto rows_from = [&](std::int64_t first) {
    return concatenate(narrow(inputs.key, 1, first, rows), narrow(inputs.value, 1, first, rows));
  };
  const Variable last = rows_from(tokens - rows), missing = zero_rows(last, reach_ - rows);
  const Variable to_the_right = stack_rows(missing, last);
  return part.mask.causal ? to_the_right : stack_rows(to_the_right, stack_rows(rows_from(0), missing));
}

Variable WindowInParts::attend(const AttentionInputs& inputs, const Variable& state, const SequencePart& part,
                               const Pass&) const {
  const std::int64_t tokens = inputs.query.dim(1), head_dim = inputs.key.dim(3), value_dim = inputs.value.dim(3);
  const std::int64_t left = std::min(reach_, part.first);
  const std::int64_t right = part.mask.causal ? 0 : std::min(reach_, part.length - part.first - tokens);
  // The rows before a part stand at the end of its state's first half, those behind it at the beginning of the second.
  const auto with_edges = [&](const Variable& own, std::int64_t channel, std::int64_t width) {
    const auto edge = [&](std::int64_t first, std::int64_t rows) {
      return rows == 0 ? Variable() : narrow(narrow(state, 1, first, rows), -1, channel, width);
    };
    return stack_rows(stack_rows(edge(reach_ - left, left), own), edge(reach_, right));
  };
  // Queries beside the part are there to make rows and columns the same positions; nobody reads what they find.
  const Variable query = stack_rows(stack_rows(zero_rows(inputs.query, left), inputs.query), zero_rows(inputs.query, right));
  AttentionMask mask = part.mask;
  mask.key_mask = mask.query_mask = slice(part.whole.key_mask, part.first - left, left + tokens + right);
  const Variable attended = softmax_attention(query, with_edges(inputs.key, 0, head_dim),
                                              with_edges(inputs.value, head_dim, value_dim), mask, options_);
  return narrow(attended, 1, left, tokens);
}

std::vector<Tensor> WindowInParts::states(const TextParts& text, bool causal, std::vector<Tensor> handed) const {
  if (causal) return edges(text, reach_, Direction::from_left, std::move(handed));
  return stacked(edges(text, reach_, Direction::from_left, rows_of(handed, 0, reach_)),
                 edges(text, reach_, Direction::from_right, rows_of(handed, reach_, reach_)));
}

std::vector<Tensor> WindowInParts::handed_gradients(const TextParts& text, bool causal, std::vector<Tensor> dstates) const {
  if (causal) return edge_gradients(text, reach_, Direction::from_left, std::move(dstates));
  return stacked(edge_gradients(text, reach_, Direction::from_left, rows_of(dstates, 0, reach_)),
                 edge_gradients(text, reach_, Direction::from_right, rows_of(dstates, reach_, reach_)));
}

}  // namespace cosformer
