#include <cmath>
#include <functional>
#include <utility>

#include "tests/autograd/operator_table.h"
#include "tests/support/attention_reference.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;
using Score = std::function<double(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j)>;

struct Sample {
  const char* name;
  AttentionCase shape;
};

std::vector<Sample> samples() {
  return {{"causal", {.batch = 2, .queries = 5, .keys = 5, .heads = 2, .value_dim = 3, .causal = true}},
          {"padding anywhere",
           {.batch = 2, .queries = 3, .keys = 4, .heads = 2, .value_dim = 2, .key_mask = {1, 0, 1, 1, 0, 0, 0, 0}}},
          {"causal, padding left out",
           {.batch = 1,
            .queries = 4,
            .keys = 4,
            .heads = 1,
            .value_dim = 2,
            .causal = true,
            .key_mask = {1, 1, 0, 1},
            .query_positions = {0, 2, 3, 5},
            .key_positions = {0, 2, 3, 5}}},
          {"longer than a tile", {.batch = 1, .queries = 66, .keys = 270, .heads = 1, .value_dim = 1}},
          {"nothing", {.batch = 1, .queries = 0, .keys = 0, .heads = 2, .value_dim = 2}}};
}

AttentionMask mask_of(const AttentionCase& shape, bool drops) {
  AttentionMask mask{.causal = shape.causal};
  const auto padding = [&](std::int64_t length, std::vector<std::uint8_t> real, const std::vector<std::int32_t>& positions) {
    if (real.empty()) real.assign(static_cast<std::size_t>(shape.batch * length), 1);
    return std::make_shared<const PaddingMask>(PaddingMask{shape.batch, length, std::move(real), positions, 6});
  };
  if (!shape.key_mask.empty()) mask.key_mask = padding(shape.keys, shape.key_mask, shape.key_positions);
  if (!shape.query_positions.empty()) mask.query_mask = padding(shape.queries, {}, shape.query_positions);
  if (drops) mask.dropout = dropout_mask(0.4, Random(9, "weights"));
  return mask;
}

/// What a dropout of the weights keeps and scales, read off ones.
Values kept_weights(const AttentionCase& shape) {
  const Tensor ones = Tensor::full({shape.batch, shape.heads, shape.queries, shape.keys}, 1.0, DType::float64);
  const Variable kept = dropout(Variable(ones), 0.4, Random(9, "weights"));
  const auto values = kept.value().span<double>();
  return {values.begin(), values.end()};
}

/// Softmax of given scores times values.
Values weighted(const AttentionCase& shape, const Values& factors, const Score& score, const Values& value) {
  Values out(static_cast<std::size_t>(shape.batch * shape.queries * shape.heads * shape.value_dim));
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      for (std::int64_t i = 0; i < shape.queries; ++i) {
        double sum = 0;
        Values weights(static_cast<std::size_t>(shape.keys));
        for (std::int64_t j = 0; j < shape.keys; ++j) {
          if (shape.sees(b, i, j)) sum += weights[static_cast<std::size_t>(j)] = std::exp(score(b, h, i, j));
        }
        for (std::int64_t j = 0; j < shape.keys && sum > 0; ++j) {
          const std::int64_t element = ((b * shape.heads + h) * shape.queries + i) * shape.keys + j;
          const double weight = weights[static_cast<std::size_t>(j)] / sum *
                                (factors.empty() ? 1 : factors[static_cast<std::size_t>(element)]);
          for (std::int64_t e = 0; e < shape.value_dim; ++e) {
            out[static_cast<std::size_t>(((b * shape.queries + i) * shape.heads + h) * shape.value_dim + e)] +=
                weight * value[static_cast<std::size_t>(((b * shape.keys + j) * shape.heads + h) * shape.value_dim + e)];
          }
        }
      }
    }
  }
  return out;
}

OperatorCase table_case(const Sample& sample, bool drops) {
  const AttentionCase& shape = sample.shape;
  const std::int64_t length = shape.keys > 100 ? shape.keys : 7;
  const Values factors = drops ? kept_weights(shape) : Values{};
  return {
      .op = "table_attention",
      .sample = std::string(sample.name) + (drops ? ", dropout" : ""),
      .shapes = {{shape.heads, length, length}, {shape.batch, shape.keys, shape.heads, shape.value_dim}},
      .apply = [=, mask = mask_of(shape, drops)](Inputs in) { return table_attention(in[0], in[1], mask, shape.queries); },
      .reference =
          [=](const std::vector<Values>& in) {
            return weighted(
                shape, factors,
                [&](std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
                  return in[0][static_cast<std::size_t>((h * length + shape.query_position(b, i)) * length +
                                                        shape.key_position(b, j))];
                },
                in[1]);
          }};
}

OperatorCase factor_case(const Sample& sample, bool drops) {
  const AttentionCase& shape = sample.shape;
  const std::int64_t A = shape.keys > 100 ? 20 : 3, B = shape.keys > 100 ? 14 : 2;
  const Values factors = drops ? kept_weights(shape) : Values{};
  return {.op = "factor_attention",
          .sample = std::string(sample.name) + (drops ? ", dropout" : ""),
          .shapes = {{shape.batch, shape.queries, shape.heads, A},
                     {shape.batch, shape.queries, shape.heads, B},
                     {shape.batch, shape.keys, shape.heads, shape.value_dim}},
          .apply = [=, mask = mask_of(shape, drops)](Inputs in) { return factor_attention(in[0], in[1], in[2], mask); },
          .reference =
              [=](const std::vector<Values>& in) {
                return weighted(
                    shape, factors,
                    [&](std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
                      const std::int64_t row = (b * shape.queries + i) * shape.heads + h, p = shape.key_position(b, j);
                      return in[0][static_cast<std::size_t>(row * A + p % A)] *
                             in[1][static_cast<std::size_t>(row * B + p / A)];
                    },
                    in[2]);
              }};
}

OperatorCase head_linear_case(const char* sample, std::int64_t batch, std::int64_t length) {
  constexpr std::size_t kHeads = 2, kIn = 3, kOut = 4;
  const auto rows = static_cast<std::size_t>(batch * length);
  return {.op = "head_linear",
          .sample = sample,
          .shapes = {{batch, length, kHeads, kIn}, {kHeads, kOut, kIn}, {kHeads, kOut}},
          .apply = [](Inputs in) { return head_linear(in[0], in[1], in[2]); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out;
                for (std::size_t row = 0; row < rows * kHeads; ++row) {
                  for (std::size_t f = 0; f < kOut; ++f) {
                    const std::size_t place = row % kHeads * kOut + f;
                    double sum = in[2][place];
                    for (std::size_t d = 0; d < kIn; ++d) sum += in[0][row * kIn + d] * in[1][place * kIn + d];
                    out.push_back(sum);
                  }
                }
                return out;
              }};
}

OperatorCase unit_rows_case(const char* sample, const Shape& shape) {
  const auto width = static_cast<std::size_t>(shape[-1]);
  return {.op = "unit_rows",
          .sample = sample,
          .shapes = {shape},
          .apply = [](Inputs in) { return unit_rows(in[0], 0.1); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out;
                for (std::size_t i = 0; i < in[0].size(); ++i) {
                  double squares = 0.1;
                  for (std::size_t d = 0; d < width; ++d) squares += std::pow(in[0][i / width * width + d], 2);
                  out.push_back(in[0][i] / std::sqrt(squares));
                }
                return out;
              }};
}

}  // namespace

std::vector<OperatorCase> synthesized_cases() {
  std::vector<OperatorCase> cases{head_linear_case("odd sizes", 2, 5),
                                  head_linear_case("nothing", 2, 0),
                                  unit_rows_case("odd sizes", {2, 3, 5}),
                                  unit_rows_case("rows of one", {4, 1}),
                                  unit_rows_case("nothing", {0, 3}),
                                  {.op = "without_influence",
                                   .sample = "two others",
                                   .shapes = {{2, 3}, {4}, {2, 2}},
                                   .apply = [](Inputs in) { return without_influence(in[0], in[1], in[2]); },
                                   .reference = [](const std::vector<Values>& in) { return in[0]; }}};
  for (const Sample& sample : samples()) {
    for (const bool drops : {false, true}) {
      // Central differences of a table of 270 × 270 would take long: its values and gradients stand in the factors' case.
      if (sample.shape.keys <= 100) cases.push_back(table_case(sample, drops));
      cases.push_back(factor_case(sample, drops));
    }
  }
  return cases;
}

std::vector<BadInput> bad_synthesized_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const Variable heads = zeros({2, 3, 2, 4});
  return {{"table_attention", "a table that is too short",
           [=] {
             table_attention(zeros({2, 2, 2}), heads, {}, 2);
           }},
          {"table_attention", "a table of other heads",
           [=] {
             table_attention(zeros({1, 3, 3}), heads, {}, 2);
           }},
          {"factor_attention", "factors that are too short",
           [=] {
             factor_attention(zeros({2, 3, 2, 2}), zeros({2, 3, 2, 1}), heads, {});
           }},
          {"factor_attention", "factors of other texts",
           [=] {
             factor_attention(zeros({2, 3, 2, 2}), zeros({2, 4, 2, 2}), heads, {});
           }},
          {"head_linear", "a weight of another width",
           [=] {
             head_linear(heads, zeros({2, 5, 3}), zeros({2, 5}));
           }},
          {"head_linear", "a bias of another width", [=] {
             head_linear(heads, zeros({2, 5, 4}), zeros({2, 4}));
           }}};
}

}  // namespace cosformer::test
