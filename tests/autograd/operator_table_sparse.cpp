#include <utility>

#include "tests/autograd/operator_table.h"
#include "tests/support/sparse_rules.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;

struct Sample {
  const char* name;
  AttentionCase shape;
};

std::vector<Sample> samples() {
  return {
      {"causal", {.batch = 2, .queries = 7, .keys = 7, .heads = 2, .head_dim = 3, .value_dim = 2, .causal = true}},
      {"not causal, padding anywhere",
       {.batch = 2,
        .queries = 6,
        .keys = 6,
        .heads = 2,
        .head_dim = 2,
        .value_dim = 3,
        .key_mask = {1, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0}}},
      {"more keys than queries", {.batch = 1, .queries = 4, .keys = 7, .heads = 1, .head_dim = 2, .value_dim = 2}},
      {"causal, padding left out",
       {.batch = 1,
        .queries = 6,
        .keys = 6,
        .heads = 1,
        .head_dim = 2,
        .value_dim = 2,
        .causal = true,
        .key_mask = {1, 1, 1, 0, 1, 1},
        .query_positions = {0, 2, 3, 4, 7, 8},
        .key_positions = {0, 2, 3, 4, 7, 8}}},
      {"nothing", {.batch = 2, .queries = 0, .keys = 0, .heads = 1, .head_dim = 2, .value_dim = 2}},
  };
}

AttentionMask mask_of(const AttentionCase& shape) {
  AttentionMask mask{.causal = shape.causal};
  const auto padding = [&](std::int64_t length, const std::vector<std::uint8_t>& real,
                           const std::vector<std::int32_t>& positions) -> SharedPaddingMask {
    if (real.empty() && positions.empty()) return nullptr;
    PaddingMask own{shape.batch, length, real, positions, 20};
    if (real.empty()) own.real.assign(static_cast<std::size_t>(shape.batch * length), 1);
    return std::make_shared<const PaddingMask>(std::move(own));
  };
  mask.key_mask = padding(shape.keys, shape.key_mask, shape.key_positions);
  mask.query_mask = padding(shape.queries, {}, shape.query_positions);
  return mask;
}

OperatorCase sparse_case(const Sample& sample, const NamedPattern& pattern, bool drops) {
  AttentionCase shape = sample.shape;
  list_pairs(pattern.rule, shape);
  AttentionMask mask = mask_of(shape);
  if (drops) {
    const Random stream(9, "weights");
    const Tensor ones = Tensor::full({shape.batch, shape.heads, shape.queries, shape.keys}, 1.0, DType::float64);
    const Variable kept = dropout(Variable(ones), 0.4, stream);
    const auto values = kept.value().span<double>();
    shape.weight_factors.assign(values.begin(), values.end());
    mask.dropout = dropout_mask(0.4, stream);
  }
  return {
      .op = "sparse_attention",
      .sample = std::string(sample.name) + ", " + pattern.name + (drops ? ", dropout" : ""),
      .shapes = {{shape.batch, shape.queries, shape.heads, shape.head_dim},
                 {shape.batch, shape.keys, shape.heads, shape.head_dim},
                 {shape.batch, shape.keys, shape.heads, shape.value_dim}},
      .apply = [=, lists = pattern.pattern](Inputs in) { return sparse_attention(in[0], in[1], in[2], mask, lists, 0.7); },
      .reference =
          [=](const std::vector<Values>& in) { return reference_softmax_attention(shape, 0.7, in[0], in[1], in[2]); }};
}

}  // namespace

std::vector<OperatorCase> sparse_cases() {
  std::vector<OperatorCase> cases;
  for (const Sample& sample : samples()) {
    for (const NamedPattern& pattern : short_patterns(sample.shape.causal)) {
      for (const bool drops : {false, true}) cases.push_back(sparse_case(sample, pattern, drops));
    }
  }
  for (OperatorCase& row : synthesized_cases()) cases.push_back(std::move(row));
  for (OperatorCase& row : part_cases()) cases.push_back(std::move(row));
  for (OperatorCase& row : sinkhorn_cases()) cases.push_back(std::move(row));
  return cases;
}

std::vector<BadInput> bad_sparse_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const Variable heads = zeros({2, 3, 2, 4});
  const SharedSparsePattern pattern = make_window_pattern({});
  return {{"sparse_attention", "no pattern", [=] { sparse_attention(heads, heads, heads, {}, nullptr, 1); }},
          {"sparse_attention", "causal with T != S",
           [=] {
             sparse_attention(heads, zeros({2, 4, 2, 4}), zeros({2, 4, 2, 4}), {.causal = true}, pattern, 1);
           }},
          {"sparse_attention", "a mask of another shape",
           [=] { sparse_attention(heads, heads, heads, {.key_mask = some_mask()}, pattern, 1); }}};
}

}  // namespace cosformer::test
