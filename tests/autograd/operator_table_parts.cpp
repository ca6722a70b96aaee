#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <utility>

#include "core/error.h"
#include "tests/autograd/operator_table.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;

/// A part of a text.
struct Part {
  std::string name;
  std::int64_t batch, tokens, heads, head_dim, value_dim, first;
  bool causal;
  std::vector<std::uint8_t> real = {};  ///< [batch, tokens]; empty: all
};

std::vector<Part> parts() {
  return {{"causal, longer than a chunk", 2, 7, 2, 3, 2, 8, true},
          {"causal, padded", 2, 5, 1, 2, 3, 4, true, {1, 1, 1, 1, 1, 1, 1, 0, 0, 0}},
          {"causal, one token", 1, 1, 2, 2, 1, 12, true},
          {"not causal", 2, 5, 2, 3, 2, 4, false},
          {"not causal, padding alone", 2, 3, 1, 2, 2, 4, false, {1, 0, 1, 0, 0, 0}}};
}

AttentionMask mask_of(const Part& part) {
  AttentionMask mask{.causal = part.causal};
  if (!part.real.empty())
    mask.key_mask = std::make_shared<const PaddingMask>(PaddingMask{part.batch, part.tokens, part.real});
  return mask;
}

/// A part under a re-weighting, by the formulas of layers/sequence/README.md.
struct Formula {
  Part part;
  Reweighting reweighting;

  std::int64_t parts() const { return reweighting == Reweighting::cos ? 2 : 1; }
  std::int64_t rows() const { return parts() * (part.value_dim + 1); }
  double step(std::int64_t b, std::int64_t h) const {
    if (reweighting == Reweighting::cos) return std::numbers::pi / (2.0 * static_cast<double>(24 + b));
    return 0.1 + 0.2 * static_cast<double>(h);
  }
  LinearAttentionOptions options() const {
    LinearAttentionOptions options{.reweighting = reweighting, .chunk_size = 4, .first_position = part.first};
    const bool of_heads = reweighting == Reweighting::decay;
    for (std::int64_t i = 0; i < (of_heads ? part.heads : part.batch); ++i)
      options.steps.query.push_back(of_heads ? step(0, i) : step(i, 0));
    options.steps.key = options.steps.query;
    return options;
  }
  /// What a similarity of tokens at this distance is multiplied by.
  double weight(std::int64_t b, std::int64_t h, std::int64_t distance) const {
    const double x = static_cast<double>(distance) * step(b, h);
    if (reweighting == Reweighting::none) return 1;
    return reweighting == Reweighting::cos ? std::cos(x) : std::exp(-x);
  }
  /// Factor p of token i, of a key that goes into a state, or of a query that reads one.
  double factor(std::int64_t b, std::int64_t h, std::int64_t p, std::int64_t i, bool of_key) const {
    if (reweighting == Reweighting::none) return 1;
    if (reweighting == Reweighting::decay) return weight(b, h, of_key ? part.tokens - i : i);
    const double angle = static_cast<double>(part.first + i + 1) * step(b, h);
    return p == 0 ? std::cos(angle) : std::sin(angle);
  }
  bool is_real(std::int64_t b, std::int64_t i) const {
    return part.real.empty() || part.real[static_cast<std::size_t>(b * part.tokens + i)] != 0;
  }
  /// Element (b, i, h, d) of heads as wide as `width`.
  double at(const Values& heads, std::int64_t width, std::int64_t b, std::int64_t i, std::int64_t h, std::int64_t d) const {
    return heads[static_cast<std::size_t>(((b * part.tokens + i) * part.heads + h) * width + d)];
  }

  Values sums(const Values& key, const Values& value) const {
    const std::int64_t D = part.head_dim, E = part.value_dim;
    Values all;
    for (std::int64_t b = 0; b < part.batch; ++b) {
      for (std::int64_t h = 0; h < part.heads; ++h) {
        for (std::int64_t row = 0; row < rows(); ++row) {
          const bool is_one = row >= parts() * E;
          const std::int64_t p = is_one ? row - parts() * E : row / E;
          for (std::int64_t d = 0; d < D; ++d) {
            double& sum = all.emplace_back(0);
            for (std::int64_t j = 0; j < part.tokens; ++j) {
              if (!is_real(b, j)) continue;
              const double v = is_one ? 1.0 : at(value, E, b, j, h, row % E);
              sum += v * factor(b, h, p, j, true) * std::max(0.0, at(key, D, b, j, h, d));
            }
          }
        }
      }
    }
    return all;
  }

  Values outputs(const std::vector<Values>& in) const {
    const std::int64_t D = part.head_dim, E = part.value_dim;
    Values all;
    for (std::int64_t b = 0; b < part.batch; ++b) {
      for (std::int64_t i = 0; i < part.tokens; ++i) {
        for (std::int64_t h = 0; h < part.heads; ++h) {
          const double* state = in[3].data() + (b * part.heads + h) * rows() * D;
          // Column E is the normaliser.
          Values sums(static_cast<std::size_t>(E + 1), 0.0);
          for (std::int64_t column = 0; column <= E; ++column) {
            double& sum = sums[static_cast<std::size_t>(column)];
            for (std::int64_t p = 0; p < parts(); ++p) {
              const std::int64_t row = column == E ? parts() * E + p : p * E + column;
              for (std::int64_t d = 0; d < D; ++d)
                sum += factor(b, h, p, i, false) * std::max(0.0, at(in[0], D, b, i, h, d)) * state[row * D + d];
            }
            for (std::int64_t j = 0; part.causal && j <= i; ++j) {
              double similarity = 0;
              for (std::int64_t d = 0; d < D && is_real(b, j); ++d)
                similarity += std::max(0.0, at(in[0], D, b, i, h, d)) * std::max(0.0, at(in[1], D, b, j, h, d));
              sum += similarity * weight(b, h, i - j) * (column == E ? 1.0 : at(in[2], E, b, j, h, column));
            }
          }
          for (std::int64_t e = 0; e < E; ++e) all.push_back(sums[static_cast<std::size_t>(e)] / sums.back());
        }
      }
    }
    return all;
  }
};

}  // namespace

std::vector<OperatorCase> part_cases() {
  std::vector<OperatorCase> cases;
  for (const Part& part : parts()) {
    for (const ReweightingKind& reweighting : reweightings()) {
      if (!part.causal && !reweighting.linear_form) continue;
      const Formula formula{part, reweighting.value};
      const Shape keys{part.batch, part.tokens, part.heads, part.head_dim},
          values{part.batch, part.tokens, part.heads, part.value_dim},
          state{part.batch, part.heads, formula.rows(), part.head_dim};
      // Positive numbers: a normaliser near 0 is no matter of these sums.
      cases.push_back(
          {.op = "linear_attention_key_sums",
           .sample = concat(part.name, ", ", reweighting.name),
           .shapes = {keys, values},
           .apply = [=](Inputs in) { return linear_attention_key_sums(in[0], in[1], mask_of(part), formula.options()); },
           .reference = [=](const std::vector<Values>& in) { return formula.sums(in[0], in[1]); },
           .low = 0.2});
      OperatorCase row{
          .op = "linear_attention_part",
          .sample = concat(part.name, ", ", reweighting.name),
          .shapes = {keys, keys, values, state},
          .apply =
              [=](Inputs in) { return linear_attention_part(in[0], in[1], in[2], in[3], mask_of(part), formula.options()); },
          .reference = [=](const std::vector<Values>& in) { return formula.outputs(in); },
          .low = 0.2,
          .float_tolerance = 5e-6};
      if (!part.causal) {
        // Keys and values take part through the state alone.
        row.shapes = {keys, state};
        row.apply = [=](Inputs in) {
          return linear_attention_part(in[0], Variable(Tensor::zeros(keys, in[0].dtype())),
                                       Variable(Tensor::zeros(values, in[0].dtype())), in[1], mask_of(part),
                                       formula.options());
        };
        row.reference = [=](const std::vector<Values>& in) { return formula.outputs({in[0], {}, {}, in[1]}); };
      }
      cases.push_back(std::move(row));
    }
  }
  return cases;
}

std::vector<BadInput> bad_part_inputs() {
  const auto heads = [](std::int64_t tokens) { return Variable(Tensor::zeros({1, tokens, 2, 3})); };
  const Variable state(Tensor::zeros({1, 2, 4, 3}));
  const LinearAttentionOptions plain{.reweighting = Reweighting::none},
      decaying{.reweighting = Reweighting::decay, .steps = {{0.1, 0.2}, {0.1, 0.2}}};
  return {{"linear_attention_key_sums", "as many values as keys",
           [=] { linear_attention_key_sums(heads(4), heads(5), {.causal = true}, plain); }},
          {"linear_attention_part", "a state of another width",
           [=] {
             linear_attention_part(heads(4), heads(4), heads(4), Variable(Tensor::zeros({1, 2, 3, 3})), {}, plain);
           }},
          {"linear_attention_part", "as many keys as queries if causal",
           [=] { linear_attention_part(heads(4), heads(5), heads(5), state, {.causal = true}, plain); }},
          {"linear attention", "decay without causality",
           [=] { linear_attention_part(heads(4), heads(4), heads(4), state, {}, decaying); }}};
}

}  // namespace cosformer::test
