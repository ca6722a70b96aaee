#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/kernels/linear_attention/linear_attention.h"
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
using test::run_linear;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Options for any shape with one angle step for all items.
struct Setup {
  explicit Setup(const AttentionCase& shape, LinearAttentionForm form, ScalarFunction map = ScalarFunction::relu) {
    const std::vector<double> angle_steps(static_cast<std::size_t>(shape.batch), 0.01);
    options.feature_map = map;
    options.form = form;
    options.steps = {angle_steps, angle_steps};
    options.chunk_size = 16;
  }
  LinearAttentionOptions options;
};

std::vector<LinearAttentionForm> forms_of(bool causal) {
  using enum LinearAttentionForm;
  if (causal) return {quadratic, chunked, recurrent};
  return {quadratic, linear};
}

void require_equal(const AttentionResult& expected, const AttentionResult& actual) {
  require_close("out", expected.out, actual.out, {.rel = 0});
  require_close("dquery", expected.dquery, actual.dquery, {.rel = 0});
  require_close("dkey", expected.dkey, actual.dkey, {.rel = 0});
  require_close("dvalue", expected.dvalue, actual.dvalue, {.rel = 0});
}

TEST_CASE("A query without similarity to any key gives exactly 0 and finite gradients") {
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 1, .queries = 20, .keys = 20, .heads = 1, .head_dim = 4, .value_dim = 3, .causal = causal};
  AttentionInputs inputs = random_inputs(shape, 3);
  for (std::size_t d = 0; d < 4; ++d) inputs.query[7 * 4 + d] = inputs.query[18 * 4 + d] = -0.5;
  for (const auto form : forms_of(causal)) {
    const AttentionResult result = run_linear<float>(shape, Setup(shape, form).options, inputs);
    for (const std::size_t row : {std::size_t{7}, std::size_t{18}}) {
      REQUIRE(result.row_sums[row] == 0);
      for (std::size_t e = 0; e < 3; ++e) REQUIRE(result.out[row * 3 + e] == 0);
    }
    for (const auto* gradient : {&result.dquery, &result.dkey, &result.dvalue}) {
      REQUIRE(std::ranges::all_of(*gradient, [](double x) { return std::isfinite(x); }));
    }
  }
}

TEST_CASE("Keys that are all masked give exactly 0 everywhere") {
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 1, .queries = 20, .keys = 20, .heads = 2, .head_dim = 4, .value_dim = 3, .causal = causal};
  shape.key_mask.assign(20, 0);
  const AttentionInputs inputs = random_inputs(shape, 3);
  for (const auto form : forms_of(causal)) {
    const AttentionResult result = run_linear<float>(shape, Setup(shape, form).options, inputs);
    for (const auto* values : {&result.out, &result.dquery, &result.dkey, &result.dvalue}) {
      REQUIRE(std::ranges::all_of(*values, [](double x) { return x == 0; }));
    }
  }
}

TEST_CASE("The guard keeps the sign of negative sums and cuts the gradient through small ones") {
  // One query and one key: D = q k, out = D v / guard(D).
  const AttentionCase shape{.batch = 1, .queries = 1, .keys = 1, .heads = 1, .head_dim = 1, .value_dim = 1};
  const auto form = GENERATE(LinearAttentionForm::quadratic, LinearAttentionForm::linear);
  Setup setup(shape, form, ScalarFunction::identity);
  setup.options.reweighting = Reweighting::none;
  const auto run = [&](double q) {
    return run_linear<double>(shape, setup.options, {.query = {q}, .key = {1}, .value = {3}, .dout = {1}});
  };
  REQUIRE(run(-0.5).out[0] == 3);
  REQUIRE(std::abs(run(-0.5).dquery[0]) < 1e-12);
  REQUIRE(run(-4e-7).row_sums[0] == -4e-7);
  // Below the floor: -4e-7 · 3 / -1e-6, with D held constant.
  require_close("out", 1.2, run(-4e-7).out[0], {.rel = 1e-12});
  require_close("dquery", -3e6, run(-4e-7).dquery[0], {.rel = 1e-12});
  require_close("dquery", 3e6, run(4e-7).dquery[0], {.rel = 1e-12});
}

TEST_CASE("Garbage in masked keys and values changes nothing and gets gradients of exactly 0") {
  const bool causal = GENERATE(true, false);
  const auto map = GENERATE(ScalarFunction::relu, ScalarFunction::elu, ScalarFunction::identity);
  AttentionCase shape{.batch = 2, .queries = 40, .keys = 40, .heads = 2, .head_dim = 4, .value_dim = 3, .causal = causal};
  shape.key_mask.assign(80, 1);
  for (const std::size_t j : {0, 3, 17, 39, 40, 70, 79}) shape.key_mask[j] = 0;
  const AttentionInputs clean = random_inputs(shape, 3, 0.05);
  AttentionInputs dirty = clean;
  const auto spoil = [&](std::vector<double>& operand, std::size_t row) {
    for (std::size_t i = 0; i < operand.size(); ++i) {
      if (shape.key_mask[i / row] == 0) operand[i] = i % 2 ? kNaN : HUGE_VAL;
    }
  };
  spoil(dirty.key, 2 * 4);
  spoil(dirty.value, 2 * 3);
  for (const auto form : forms_of(causal)) {
    const Setup setup(shape, form, map);
    const AttentionResult result = run_linear<float>(shape, setup.options, dirty);
    require_equal(run_linear<float>(shape, setup.options, clean), result);
    for (std::size_t i = 0; i < result.dkey.size(); ++i) {
      if (shape.key_mask[i / 8] == 0) REQUIRE(result.dkey[i] == 0);
    }
    for (std::size_t i = 0; i < result.dvalue.size(); ++i) {
      if (shape.key_mask[i / 6] == 0) REQUIRE(result.dvalue[i] == 0);
    }
  }
}

TEST_CASE("NaN in a query of linear attention shows in its own output row and in no other") {
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 1, .queries = 40, .keys = 40, .heads = 1, .head_dim = 4, .value_dim = 3, .causal = causal};
  AttentionInputs inputs = random_inputs(shape, 3);
  inputs.query[22 * 4] = kNaN;
  for (const auto form : forms_of(causal)) {
    const std::vector<double> out = run_linear<float>(shape, Setup(shape, form).options, inputs).out;
    for (std::size_t i = 0; i < out.size(); ++i) REQUIRE(std::isnan(out[i]) == (i / 3 == 22));
  }
}

TEST_CASE("Operands inside one fused buffer give the bits of contiguous ones") {
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 2, .queries = 37, .keys = 37, .heads = 3, .head_dim = 5, .value_dim = 6, .causal = causal};
  const AttentionInputs inputs = random_inputs(shape, 9);
  for (const auto form : forms_of(causal)) {
    const Setup setup(shape, form);
    require_equal(run_linear<float>(shape, setup.options, inputs),
                  run_linear<float>(shape, setup.options, inputs, Layout::fused));
  }
}

TEST_CASE("A later token changes no bit of earlier outputs") {
  const AttentionCase shape{
      .batch = 1, .queries = 50, .keys = 50, .heads = 2, .head_dim = 8, .value_dim = 8, .causal = true};
  const AttentionInputs inputs = random_inputs(shape, 21);
  const auto changed_token = GENERATE(1, 15, 16, 17, 49);
  AttentionInputs changed = inputs;
  const auto row = static_cast<std::size_t>(changed_token) * 16;
  for (std::size_t i = row; i < row + 16; ++i) {
    changed.query[i] += 1;
    changed.key[i] += 1;
    changed.value[i] -= 2;
  }
  for (const auto form : forms_of(true)) {
    const Setup setup(shape, form);
    const AttentionResult before = run_linear<float>(shape, setup.options, inputs);
    const AttentionResult after = run_linear<float>(shape, setup.options, changed);
    REQUIRE(std::equal(before.out.begin(), before.out.begin() + static_cast<std::ptrdiff_t>(row), after.out.begin()));
    REQUIRE(!std::equal(before.out.begin(), before.out.begin() + static_cast<std::ptrdiff_t>(row) + 16, after.out.begin()));
  }
}

TEST_CASE("Every number of threads gives the same bits") {
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 1, .queries = 1100, .keys = 1100, .heads = 3, .head_dim = 16, .value_dim = 16, .causal = causal};
  const AttentionInputs inputs = random_inputs(shape, 4);
  const int threads = num_threads();
  for (const auto form : forms_of(causal)) {
    const Setup setup(shape, form);
    set_num_threads(1);
    const AttentionResult one = run_linear<float>(shape, setup.options, inputs);
    for (const int count : {2, 3}) {
      set_num_threads(count);
      require_equal(one, run_linear<float>(shape, setup.options, inputs));
    }
  }
  set_num_threads(threads);
}

TEST_CASE("Token by token steps give what a whole causal pass gives") {
  const auto reweighting = GENERATE(Reweighting::none, Reweighting::cos, Reweighting::decay);
  const AttentionCase shape{
      .batch = 2, .queries = 90, .keys = 90, .heads = 2, .head_dim = 8, .value_dim = 6, .causal = true};
  const AttentionInputs inputs = random_inputs(shape, 8);
  Setup setup(shape, LinearAttentionForm::chunked);
  setup.options.reweighting = reweighting;
  // Of two items, or of two heads.
  setup.options.steps = {{0.01, 0.003}, {0.01, 0.003}};
  const AttentionResult whole = run_linear<float>(shape, setup.options, inputs);

  test::Operand<float> query(shape, 90, 8, Layout::contiguous, &inputs.query),
      key(shape, 90, 8, Layout::contiguous, &inputs.key);
  test::Operand<float> value(shape, 90, 6, Layout::contiguous, &inputs.value),
      out(shape, 90, 6, Layout::contiguous, nullptr);
  AttentionSizes sizes = test::sizes_of(shape);
  sizes.queries = sizes.keys = 1;
  const auto state_size = linear_attention_state_size(sizes, setup.options);
  REQUIRE(state_size == (reweighting == Reweighting::cos ? 2 : 1) * 8 * 7);
  std::vector<float> state(static_cast<std::size_t>(4 * state_size));
  const auto token = [](auto view, std::int64_t t) {
    view.data += t * view.seq_stride;
    return view;
  };
  for (std::int64_t t = 0; t < 90; ++t) {
    linear_attention_step<float>(sizes, setup.options, t, token(query.read(), t), token(key.read(), t),
                                 token(value.read(), t), state.data(), token(out.view(), t));
  }
  require_close("out", whole.out, out.values(), {.rel = 1e-5});
}

TEST_CASE("A length of 0 is an empty sum") {
  const bool no_queries = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 2, .queries = no_queries ? 0 : 3, .keys = no_queries ? 3 : 0, .heads = 2, .head_dim = 4, .value_dim = 5};
  const AttentionInputs inputs = random_inputs(shape, 1);
  for (const auto form : forms_of(false)) {
    const AttentionResult result = run_linear<float>(shape, Setup(shape, form).options, inputs);
    for (const auto* values : {&result.out, &result.dquery, &result.dkey, &result.dvalue, &result.row_sums}) {
      REQUIRE(std::ranges::all_of(*values, [](double x) { return x == 0; }));
    }
  }
  const AttentionCase empty{.batch = 1, .queries = 0, .keys = 0, .heads = 2, .head_dim = 4, .value_dim = 5, .causal = true};
  for (const auto form : forms_of(true)) {
    REQUIRE(run_linear<float>(empty, Setup(empty, form).options, random_inputs(empty, 1)).out.empty());
  }
}

TEST_CASE("Different steps for every item act on that item alone") {
  const AttentionCase both{.batch = 2, .queries = 33, .keys = 33, .heads = 2, .head_dim = 4, .value_dim = 4, .causal = true};
  AttentionCase one = both;
  one.batch = 1;
  const AttentionInputs inputs = random_inputs(both, 77);
  const auto second = [](const std::vector<double>& all) {
    return std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
  };
  Setup setup(both, LinearAttentionForm::chunked), alone(one, LinearAttentionForm::chunked);
  setup.options.steps = {{0.02, 0.03}, {0.02, 0.03}};
  alone.options.steps = {{0.03}, {0.03}};
  const AttentionResult result = run_linear<float>(both, setup.options, inputs);
  require_equal(run_linear<float>(one, alone.options,
                                  {second(inputs.query), second(inputs.key), second(inputs.value), second(inputs.dout)}),
                {second(result.out), second(result.dquery), second(result.dkey), second(result.dvalue), {}});
}

}  // namespace
}  // namespace cosformer
