#include "core/kernels/sparse_attention/sparse_attention.h"

#include <algorithm>
#include <vector>

#include "core/kernels/elementwise.h"
#include "tests/catch.h"
#include "tests/support/attention_run.h"
#include "tests/support/require_close.h"
#include "tests/support/sparse_rules.h"

namespace cosformer::test {

namespace {

template <class T>
AttentionResult run_sparse(const AttentionCase& shape, const SparsePattern& pattern, const AttentionInputs& inputs,
                           Layout layout = Layout::contiguous, const DropoutMask* dropout = nullptr) {
  return run_attention<T>(
      shape, inputs, layout,
      [&](auto q, auto k, auto v, auto out, T* sums) {
        sparse_attention_forward<T>(sizes_of(shape), visibility_of(shape, dropout), pattern, T{0.5}, q, k, v, out, sums);
      },
      [&](auto q, auto k, auto v, auto out, const T* sums, auto dout, auto dq, auto dk, auto dv) {
        sparse_attention_backward<T>(sizes_of(shape), visibility_of(shape, dropout), pattern, T{0.5}, q, k, v, out, sums,
                                     dout, dq, dk, dv);
      });
}

template <class T>
void require_dense_result(AttentionCase shape, const NamedPattern& pattern, double tolerance,
                          Layout layout = Layout::contiguous) {
  list_pairs(pattern.rule, shape);
  const AttentionInputs inputs = random_inputs(shape, 17, -2);
  const AttentionGradients gradients =
      reference_softmax_attention_gradients(shape, 0.5, inputs.query, inputs.key, inputs.value, inputs.dout);
  const AttentionResult actual = run_sparse<T>(shape, *pattern.pattern, inputs, layout);
  CAPTURE(pattern.name, shape.queries, shape.keys, shape.causal);
  require_close("out", reference_softmax_attention(shape, 0.5, inputs.query, inputs.key, inputs.value), actual.out,
                {.rel = tolerance, .abs = tolerance});
  require_close("dquery", gradients.dquery, actual.dquery, {.rel = 10 * tolerance, .abs = 10 * tolerance});
  require_close("dkey", gradients.dkey, actual.dkey, {.rel = 10 * tolerance, .abs = 10 * tolerance});
  require_close("dvalue", gradients.dvalue, actual.dvalue, {.rel = 10 * tolerance, .abs = 10 * tolerance});
}

/// Patterns of which a text of a few hundred tokens has several tiles.
std::vector<NamedPattern> long_patterns(bool causal) {
  return {window_pattern(3, 2),
          window_pattern(100, 70),
          block_pattern(16, 3, 1, 2, causal),
          block_pattern(100, 1, 1, 1, causal),
          strided_pattern(3),
          strided_pattern(90),
          fixed_pattern(20, 4),
          fixed_pattern(150, 64)};
}

}  // namespace

TEST_CASE("Sparse attention equals dense attention with the pattern's mask, over many tiles") {
  const bool causal = GENERATE(true, false);
  for (const NamedPattern& pattern : long_patterns(causal)) {
    const AttentionCase shape{
        .batch = 1, .queries = 330, .keys = 330, .heads = 3, .head_dim = 5, .value_dim = 4, .causal = causal};
    require_dense_result<double>(shape, pattern, 1e-12);
    require_dense_result<float>(shape, pattern, 2e-5);
  }
}

TEST_CASE("Sparse attention equals dense attention where padding stands and where it is left out") {
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 2, .queries = 140, .keys = 140, .heads = 2, .head_dim = 3, .value_dim = 4, .causal = causal};
  for (std::int32_t j = 0; j < 280; ++j) shape.key_mask.push_back(j % 7 == 3 || j >= 230 ? 0 : 1);
  for (const NamedPattern& pattern : long_patterns(causal)) require_dense_result<double>(shape, pattern, 1e-12);
  for (std::int32_t b = 0; b < 2; ++b) {
    for (std::int32_t j = 0; j < 140; ++j) shape.key_positions.push_back(j + j / 5 * (2 + b));
  }
  shape.query_positions = shape.key_positions;
  for (const NamedPattern& pattern : long_patterns(causal)) {
    require_dense_result<double>(shape, pattern, 1e-12, Layout::fused);
  }
}

TEST_CASE("A query that sees no key of its pattern gives 0, and its gradients are 0") {
  AttentionCase shape{.batch = 1, .queries = 3, .keys = 3, .heads = 1, .head_dim = 2, .value_dim = 2};
  shape.key_mask = {0, 1, 0};
  const AttentionInputs inputs = random_inputs(shape, 17);
  const AttentionResult result = run_sparse<double>(shape, *make_window_pattern({.window = 0, .global_tokens = 0}), inputs);
  CHECK((result.out[0] == 0 && result.out[1] == 0 && result.out[4] == 0 && result.out[5] == 0));
  CHECK((result.out[2] == inputs.value[2] && result.out[3] == inputs.value[3]));
  CHECK(std::isinf(result.row_sums[0]));
  for (const double x : result.dquery) CHECK(x == 0);
}

TEST_CASE("Sparse attention drops weights by their place in the whole matrix") {
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 2, .queries = 90, .keys = 90, .heads = 2, .head_dim = 3, .value_dim = 4, .causal = causal};
  const Random stream(3, "weights");
  shape.weight_factors.assign(4 * 90 * 90, 1.0);
  apply_dropout(0.3, stream, shape.weight_factors.data(), shape.weight_factors.data(), std::int64_t{4} * 90 * 90);
  const DropoutMask dropout = dropout_mask(0.3, stream);
  const AttentionInputs inputs = random_inputs(shape, 17, -2);
  for (const NamedPattern& pattern : {window_pattern(5, 3), block_pattern(8, 3, 1, 1, causal), strided_pattern(7)}) {
    CAPTURE(pattern.name);
    list_pairs(pattern.rule, shape);
    const AttentionGradients gradients =
        reference_softmax_attention_gradients(shape, 0.5, inputs.query, inputs.key, inputs.value, inputs.dout);
    const AttentionResult actual = run_sparse<double>(shape, *pattern.pattern, inputs, Layout::contiguous, &dropout);
    require_close("out", reference_softmax_attention(shape, 0.5, inputs.query, inputs.key, inputs.value), actual.out,
                  {.rel = 1e-12, .abs = 1e-13});
    require_close("dquery", gradients.dquery, actual.dquery, {.rel = 1e-11, .abs = 1e-11});
    require_close("dkey", gradients.dkey, actual.dkey, {.rel = 1e-11, .abs = 1e-11});
    require_close("dvalue", gradients.dvalue, actual.dvalue, {.rel = 1e-11, .abs = 1e-11});
  }
}

}  // namespace cosformer::test
