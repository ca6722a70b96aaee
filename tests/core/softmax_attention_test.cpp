#include "core/kernels/softmax_attention/softmax_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/softmax_attention/materialized.h"
#include "core/parallel.h"
#include "tests/catch.h"
#include "tests/support/attention_reference.h"
#include "tests/support/attention_run.h"
#include "tests/support/require_close.h"

namespace cosformer {
namespace {

using test::AttentionCase;
using test::AttentionInputs;
using test::AttentionResult;
using test::Layout;
using test::random_inputs;
using test::require_close;

void require_close_results(const AttentionResult& expected, const AttentionResult& actual, double value_tolerance,
                           double gradient_tolerance) {
  require_close("out", expected.out, actual.out, {.rel = value_tolerance});
  require_close("dquery", expected.dquery, actual.dquery, {.rel = gradient_tolerance, .abs = gradient_tolerance});
  require_close("dkey", expected.dkey, actual.dkey, {.rel = gradient_tolerance, .abs = gradient_tolerance});
  require_close("dvalue", expected.dvalue, actual.dvalue, {.rel = gradient_tolerance});
}

/// Compares the tiled and the materialised kernel with the plain loops.
template <class T>
void require_reference(const AttentionCase& shape, double value_tolerance, double gradient_tolerance) {
  CAPTURE(shape.queries, shape.keys, shape.head_dim, shape.value_dim, shape.causal, shape.window, shape.key_mask.size());
  const AttentionInputs inputs = random_inputs(shape, 17, -2);
  const double scale = 0.7;
  const auto gradients =
      test::reference_softmax_attention_gradients(shape, scale, inputs.query, inputs.key, inputs.value, inputs.dout);
  const AttentionResult expected{test::reference_softmax_attention(shape, scale, inputs.query, inputs.key, inputs.value),
                                 gradients.dquery,
                                 gradients.dkey,
                                 gradients.dvalue,
                                 {}};
  require_close_results(expected, test::run_softmax<T>(shape, scale, inputs), value_tolerance, gradient_tolerance);
  require_close_results(expected, test::run_materialized_softmax<T>(shape, scale, inputs), value_tolerance,
                        gradient_tolerance);
}

TEST_CASE("Softmax attention equals the plain loops at lengths around a tile") {
  const auto length = GENERATE(1, 2, 63, 64, 65, 130, 300);
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 2, .queries = length, .keys = length, .heads = 2, .head_dim = 5, .value_dim = 7, .causal = causal};
  require_reference<double>(shape, 1e-12, 1e-11);
}

TEST_CASE("Softmax attention equals the plain loops if there are heads enough for tiles of queries to share their keys") {
  const auto [queries, keys, causal] =
      GENERATE(table<int, int, bool>({{300, 300, true}, {300, 300, false}, {520, 300, false}}));
  const bool masked = GENERATE(true, false);
  AttentionCase shape{
      .batch = 4, .queries = queries, .keys = keys, .heads = 4, .head_dim = 3, .value_dim = 2, .causal = causal};
  for (std::int64_t j = 0; masked && j < 4 * keys; ++j) shape.key_mask.push_back(j % 7 == 3 || j % keys > 280 ? 0 : 1);
  require_reference<double>(shape, 1e-12, 1e-11);
}

TEST_CASE("Softmax attention equals the plain loops for cross attention") {
  const auto [queries, keys] = GENERATE(table<int, int>({{1, 65}, {65, 1}, {64, 300}, {300, 17}}));
  const AttentionCase shape{.batch = 1, .queries = queries, .keys = keys, .heads = 3, .head_dim = 6, .value_dim = 4};
  require_reference<double>(shape, 1e-12, 1e-11);
}

TEST_CASE("Softmax attention in single precision equals the plain loops") {
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 1, .queries = 530, .keys = 530, .heads = 2, .head_dim = 32, .value_dim = 32, .causal = causal};
  require_reference<float>(shape, 1e-5, 1e-4);
}

TEST_CASE("Softmax attention drops weights by their place in the whole matrix, whatever the tiles") {
  const auto [length, window] = GENERATE(table<int, int>({{63, -1}, {300, -1}, {300, 70}}));
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 2,
                      .queries = length,
                      .keys = length,
                      .heads = 2,
                      .head_dim = 3,
                      .value_dim = 4,
                      .causal = causal,
                      .window = window};
  CAPTURE(length, window, causal);
  const Random stream(3, "weights");
  shape.weight_factors.assign(static_cast<std::size_t>(4 * length * length), 1.0);
  apply_dropout(0.3, stream, shape.weight_factors.data(), shape.weight_factors.data(), std::int64_t{4} * length * length);
  const DropoutMask dropout = dropout_mask(0.3, stream);
  const AttentionInputs inputs = random_inputs(shape, 17, -2);
  const auto gradients =
      test::reference_softmax_attention_gradients(shape, 0.7, inputs.query, inputs.key, inputs.value, inputs.dout);
  const AttentionResult expected{test::reference_softmax_attention(shape, 0.7, inputs.query, inputs.key, inputs.value),
                                 gradients.dquery,
                                 gradients.dkey,
                                 gradients.dvalue,
                                 {}};
  const auto layout = Layout::contiguous;
  require_close_results(expected, test::run_softmax<double>(shape, 0.7, inputs, layout, &dropout), 1e-12, 1e-11);
  require_close_results(expected, test::run_materialized_softmax<double>(shape, 0.7, inputs, layout, &dropout), 1e-12,
                        1e-11);
}

TEST_CASE("Softmax attention leaves masked keys out wherever they are") {
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 3, .queries = 66, .keys = 66, .heads = 2, .head_dim = 8, .value_dim = 8, .causal = causal};
  shape.key_mask.assign(3 * 66, 1);
  for (std::size_t j = 0; j < 66; ++j) {
    shape.key_mask[j] = j % 3 != 0;
    shape.key_mask[66 + j] = j < 40;
    shape.key_mask[2 * 66 + j] = j >= 65;
  }
  require_reference<double>(shape, 1e-12, 1e-11);
}

TEST_CASE("A window shows the same keys as a dense mask would") {
  const auto window = GENERATE(0, 1, 10, 64, 100, 1000);
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 1, .queries = 330, .keys = 330, .heads = 1, .head_dim = 4, .value_dim = 4, .causal = causal};
  shape.window = window;
  require_reference<double>(shape, 1e-12, 1e-11);
  AttentionCase cross{.batch = 1, .queries = 70, .keys = 330, .heads = 1, .head_dim = 4, .value_dim = 4};
  cross.window = window;
  require_reference<double>(cross, 1e-12, 1e-11);
  std::swap(cross.queries, cross.keys);
  require_reference<double>(cross, 1e-12, 1e-11);
}

TEST_CASE("A window goes by where tokens stand, also where they stand far apart") {
  const auto window = GENERATE(0, 3, 100);
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 2, .queries = 330, .keys = 330, .heads = 1, .head_dim = 4, .value_dim = 4, .causal = causal};
  shape.window = window;
  for (std::int32_t b = 0; b < 2; ++b) {
    // Runs of neighbours with gaps of 50 and of 1000 between them, of which no window reaches across the second.
    for (std::int32_t i = 0; i < 330; ++i) shape.key_positions.push_back(i + i / 7 * 50 * b + i / 70 * 1000);
  }
  shape.query_positions = shape.key_positions;
  require_reference<double>(shape, 1e-12, 1e-11);
  if (causal) return;
  AttentionCase cross = shape;
  cross.queries = 70;
  cross.query_positions.clear();
  for (std::int32_t i = 0; i < 140; ++i) cross.query_positions.push_back(i % 70 * 60);
  require_reference<double>(cross, 1e-12, 1e-11);
  std::swap(cross.queries, cross.keys);
  std::swap(cross.query_positions, cross.key_positions);
  require_reference<double>(cross, 1e-12, 1e-11);
}

TEST_CASE("A query that sees no key gives exactly 0 and a log-sum-exp of minus infinity") {
  AttentionCase shape{.batch = 1, .queries = 70, .keys = 70, .heads = 2, .head_dim = 4, .value_dim = 3, .causal = true};
  shape.key_mask.assign(70, 1);
  shape.key_mask[0] = shape.key_mask[1] = 0;
  const AttentionInputs inputs = random_inputs(shape, 5);
  const AttentionResult tiled = test::run_softmax<float>(shape, 0.5, inputs);
  const AttentionResult materialized = test::run_materialized_softmax<float>(shape, 0.5, inputs);
  for (std::size_t i = 0; i < 2 * 2 * 3; ++i) {
    REQUIRE(tiled.out[i] == 0);
    REQUIRE(materialized.out[i] == 0);
  }
  for (std::size_t i = 0; i < 2 * 2 * 4; ++i) {
    REQUIRE(tiled.dquery[i] == 0);
    REQUIRE(materialized.dquery[i] == 0);
  }
  for (const std::size_t h : {std::size_t{0}, std::size_t{1}}) {
    REQUIRE(tiled.row_sums[h * 70 + 1] == -std::numeric_limits<double>::infinity());
    REQUIRE(std::isfinite(tiled.row_sums[h * 70 + 2]));
  }
}

TEST_CASE("Garbage in masked keys and values reaches no result of softmax attention") {
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 1, .queries = 300, .keys = 300, .heads = 2, .head_dim = 4, .value_dim = 3, .causal = causal};
  shape.key_mask.assign(300, 1);
  for (const std::size_t j : {0, 3, 17, 255, 256, 299}) shape.key_mask[j] = 0;
  const AttentionInputs clean = random_inputs(shape, 3);
  AttentionInputs dirty = clean;
  for (std::size_t i = 0; i < dirty.key.size(); ++i) {
    if (shape.key_mask[i / 8] == 0) dirty.key[i] = i % 2 ? std::nan("") : HUGE_VAL;
  }
  for (std::size_t i = 0; i < dirty.value.size(); ++i) {
    if (shape.key_mask[i / 6] == 0) dirty.value[i] = std::nan("");
  }
  const AttentionResult tiled = test::run_softmax<float>(shape, 0.5, dirty);
  require_close_results(test::run_softmax<float>(shape, 0.5, clean), tiled, 0, 0);
  require_close_results(test::run_materialized_softmax<float>(shape, 0.5, clean),
                        test::run_materialized_softmax<float>(shape, 0.5, dirty), 0, 0);
  for (std::size_t i = 0; i < tiled.dkey.size(); ++i) {
    if (shape.key_mask[i / 8] == 0) REQUIRE(tiled.dkey[i] == 0);
  }
}

TEST_CASE("NaN in a query shows in its own output row and in no other") {
  const AttentionCase shape{
      .batch = 1, .queries = 300, .keys = 300, .heads = 1, .head_dim = 4, .value_dim = 3, .causal = true};
  AttentionInputs inputs = random_inputs(shape, 3);
  inputs.query[270 * 4] = std::nan("");
  for (const auto& out :
       {test::run_softmax<float>(shape, 0.5, inputs).out, test::run_materialized_softmax<float>(shape, 0.5, inputs).out}) {
    for (std::size_t i = 0; i < out.size(); ++i) REQUIRE(std::isnan(out[i]) == (i / 3 == 270));
  }
}

TEST_CASE("Softmax attention on operands inside one fused buffer gives the bits of contiguous ones") {
  const AttentionCase shape{
      .batch = 2, .queries = 70, .keys = 70, .heads = 3, .head_dim = 5, .value_dim = 6, .causal = true};
  const AttentionInputs inputs = random_inputs(shape, 9);
  require_close_results(test::run_softmax<float>(shape, 0.4, inputs),
                        test::run_softmax<float>(shape, 0.4, inputs, Layout::fused), 0, 0);
  require_close_results(test::run_materialized_softmax<float>(shape, 0.4, inputs),
                        test::run_materialized_softmax<float>(shape, 0.4, inputs, Layout::fused), 0, 0);
}

TEST_CASE("A later token changes no bit of earlier softmax outputs") {
  const AttentionCase shape{
      .batch = 1, .queries = 300, .keys = 300, .heads = 1, .head_dim = 8, .value_dim = 8, .causal = true};
  const AttentionInputs inputs = random_inputs(shape, 21);
  const auto changed_token = GENERATE(1, 64, 255, 256, 299);
  AttentionInputs changed = inputs;
  const auto row = static_cast<std::size_t>(changed_token) * 8;
  for (std::size_t i = row; i < row + 8; ++i) {
    changed.query[i] += 1;
    changed.key[i] += 1;
    changed.value[i] -= 2;
  }
  const auto before = test::run_softmax<float>(shape, 0.5, inputs).out,
             after = test::run_softmax<float>(shape, 0.5, changed).out;
  REQUIRE(std::equal(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(row), after.begin()));
  REQUIRE(!std::equal(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(row) + 8, after.begin()));
}

TEST_CASE("Softmax attention has the same bits on every number of threads") {
  const AttentionCase shape{
      .batch = 1, .queries = 530, .keys = 530, .heads = 3, .head_dim = 16, .value_dim = 16, .causal = true};
  const AttentionInputs inputs = random_inputs(shape, 4);
  const int threads = num_threads();
  set_num_threads(1);
  const AttentionResult one = test::run_softmax<float>(shape, 0.25, inputs);
  for (const int count : {2, 3}) {
    set_num_threads(count);
    require_close_results(one, test::run_softmax<float>(shape, 0.25, inputs), 0, 0);
  }
  set_num_threads(threads);
}

TEST_CASE("Scores far out of range neither overflow nor vanish") {
  const AttentionCase shape{
      .batch = 1, .queries = 70, .keys = 70, .heads = 1, .head_dim = 4, .value_dim = 4, .causal = true};
  const AttentionInputs inputs = random_inputs(shape, 6);
  const double scale = 300;
  const auto expected = test::reference_softmax_attention(shape, scale, inputs.query, inputs.key, inputs.value);
  require_close("out", expected, test::run_softmax<float>(shape, scale, inputs).out, {.rel = 2e-4});
}

TEST_CASE("Softmax attention over an empty sequence is an empty sum") {
  const AttentionCase no_keys{.batch = 1, .queries = 3, .keys = 0, .heads = 2, .head_dim = 4, .value_dim = 5};
  const AttentionCase no_queries{.batch = 1, .queries = 0, .keys = 3, .heads = 2, .head_dim = 4, .value_dim = 5};
  for (const AttentionCase& shape : {no_keys, no_queries}) {
    const AttentionInputs inputs = random_inputs(shape, 1);
    for (const AttentionResult& result :
         {test::run_softmax<float>(shape, 1, inputs), test::run_materialized_softmax<float>(shape, 1, inputs)}) {
      for (const auto* values : {&result.out, &result.dquery, &result.dkey, &result.dvalue}) {
        REQUIRE(std::ranges::all_of(*values, [](double x) { return x == 0; }));
      }
    }
  }
}

TEST_CASE("Softmax attention refuses sizes that do not fit together") {
  AttentionCase shape{.batch = 1, .queries = 3, .keys = 4, .heads = 2, .head_dim = 4, .value_dim = 5, .causal = true};
  const AttentionInputs inputs = random_inputs(shape, 1);
  REQUIRE_THROWS_AS(test::run_softmax<float>(shape, 1, inputs), ShapeError);
  REQUIRE_THROWS_WITH(test::run_materialized_softmax<float>(shape, 1, inputs), test::Contains("3 queries and 4 keys"));
  shape = {.batch = 1, .queries = 3, .keys = 3, .heads = 2, .head_dim = 4, .value_dim = 5, .window = 1};
  shape.key_positions = {0, 2, 3};
  REQUIRE_THROWS_WITH(test::run_softmax<float>(shape, 1, random_inputs(shape, 1)),
                      test::Contains("positions of queries and keys"));
}

}  // namespace
}  // namespace cosformer
