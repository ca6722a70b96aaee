#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/kernels/linear_attention/linear_attention.h"
#include "tests/catch.h"
#include "tests/core/linear_attention_support.h"
#include "tests/support/attention_reference.h"
#include "tests/support/attention_run.h"
#include "tests/support/require_close.h"

namespace cosformer {
namespace {

using test::AttentionCase;
using test::AttentionInputs;
using test::AttentionResult;
using test::name_of;
using test::random_inputs;
using test::require_close;
using test::run_linear;
using test::steps;

/// The L1 norm at lengths beyond a block of queries, with keys that are masked and similarities of both signs.
template <class T>
void require_l1_norm_agrees(bool causal, ScalarFunction map, Reweighting reweighting, double tolerance) {
  AttentionCase shape{.batch = 2,
                      .queries = causal ? 150 : 131,
                      .keys = 150,
                      .heads = 2,
                      .head_dim = 5,
                      .value_dim = 3,
                      .causal = causal,
                      .l1_norm = true};
  shape.key_mask.assign(2 * 150, 1);
  for (std::size_t j = 0; j < 150; ++j) shape.key_mask[j] = j % 7 != 0;
  const AttentionInputs inputs = random_inputs(shape, 17);
  const ReweightingSteps own_steps = test::steps_of(reweighting, 2, 2, 150);
  const test::ReferenceReweighting reference = test::reference_reweighting(reweighting, own_steps);
  const auto feature = test::reference_feature(name_of(map));
  const auto out = test::reference_linear_attention(shape, feature, reference, inputs.query, inputs.key, inputs.value);
  const auto expected = test::reference_linear_attention_gradients(shape, feature, reference, inputs.query, inputs.key,
                                                                   inputs.value, inputs.dout);
  for (const LinearAttentionForm form : {LinearAttentionForm::automatic, LinearAttentionForm::quadratic}) {
    CAPTURE(name_of(form), name_of(map), reweighting_kind(reweighting).name, causal);
    const AttentionResult actual = run_linear<T>(shape,
                                                 {.feature_map = map,
                                                  .reweighting = reweighting,
                                                  .steps = own_steps,
                                                  .form = form,
                                                  .normalization = AttentionNormalization::l1},
                                                 inputs);
    require_close("out", out, actual.out, {.rel = tolerance, .abs = tolerance});
    require_close("dquery", expected.dquery, actual.dquery, {.rel = tolerance, .abs = tolerance});
    require_close("dkey", expected.dkey, actual.dkey, {.rel = tolerance, .abs = tolerance});
    require_close("dvalue", expected.dvalue, actual.dvalue, {.rel = tolerance, .abs = tolerance});
  }
}

TEST_CASE("Rows divided by their L1 norm equal the plain loops for every feature map, values and gradients") {
  const auto map = GENERATE(ScalarFunction::identity, ScalarFunction::leaky_relu, ScalarFunction::relu, ScalarFunction::elu);
  const bool causal = GENERATE(true, false);
  const auto reweighting = GENERATE(Reweighting::none, Reweighting::cos, Reweighting::decay);
  require_l1_norm_agrees<double>(causal, map, reweighting, 1e-9);
  require_l1_norm_agrees<float>(causal, map, reweighting, 1e-4);
}

TEST_CASE("Signed similarities divided by their L1 norm never leave the range of the values") {
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 1, .queries = 80, .keys = 80, .heads = 1, .head_dim = 4, .value_dim = 6, .causal = causal};
  AttentionInputs inputs = random_inputs(shape, 3);
  LinearAttentionOptions options{.feature_map = ScalarFunction::identity, .reweighting = Reweighting::none};
  const auto largest = [&](AttentionNormalization normalization) {
    options.normalization = normalization;
    double most = 0;
    for (const double x : run_linear<double>(shape, options, inputs).out) most = std::max(most, std::abs(x));
    return most;
  };
  CHECK(largest(AttentionNormalization::l1) <= 1);
  CHECK(largest(AttentionNormalization::sum) > 10);
}

TEST_CASE("The L1 norm and the sum are the same where no similarity is negative") {
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 1, .queries = 70, .keys = 70, .heads = 2, .head_dim = 8, .value_dim = 4, .causal = causal};
  const AttentionInputs inputs = random_inputs(shape, 5);
  const std::vector<double> angle_steps = steps(1, 70);
  LinearAttentionOptions options{.steps = {angle_steps, angle_steps}, .form = LinearAttentionForm::quadratic};
  const AttentionResult sum = run_linear<double>(shape, options, inputs);
  options.normalization = AttentionNormalization::l1;
  const AttentionResult l1 = run_linear<double>(shape, options, inputs);
  require_close("out", sum.out, l1.out, {.rel = 1e-12, .abs = 1e-12});
  require_close("dquery", sum.dquery, l1.dquery, {.rel = 1e-9, .abs = 1e-11});
  require_close("dkey", sum.dkey, l1.dkey, {.rel = 1e-9, .abs = 1e-11});
}

TEST_CASE("The L1 norm refuses every form but the quadratic one") {
  const auto [form, causal] = GENERATE(table<LinearAttentionForm, bool>(
      {{LinearAttentionForm::linear, false}, {LinearAttentionForm::chunked, true}, {LinearAttentionForm::recurrent, true}}));
  const AttentionCase shape{
      .batch = 1, .queries = 2, .keys = 2, .heads = 1, .head_dim = 2, .value_dim = 2, .causal = causal};
  const LinearAttentionOptions options{
      .reweighting = Reweighting::none, .form = form, .normalization = AttentionNormalization::l1};
  CHECK_THROWS_AS(run_linear<double>(shape, options, random_inputs(shape, 1)), ShapeError);
}

}  // namespace
}  // namespace cosformer
