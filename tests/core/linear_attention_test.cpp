#include "core/kernels/linear_attention/linear_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

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
using test::steps_of;

std::vector<LinearAttentionForm> forms_of(bool causal) {
  using enum LinearAttentionForm;
  if (causal) return {quadratic, chunked, recurrent, automatic};
  return {quadratic, linear, automatic};
}

/// Compares every form with the reference, values and gradients. (With a single key queries and keys have no gradient at
/// all.)
template <class T>
void require_forms_agree(const AttentionCase& shape, ScalarFunction map, Reweighting reweighting, double value_tolerance,
                         double gradient_tolerance, std::int64_t chunk_size = 64) {
  // Maps that are never negative keep their sums away from 0; for the others mostly positive inputs do.
  const bool never_negative = scalar_functions()[static_cast<std::size_t>(map)].never_negative;
  const double low = map == ScalarFunction::identity ? 0.05 : never_negative ? -1 : -0.3;
  const AttentionInputs inputs = random_inputs(shape, 11, low);
  const ReweightingSteps own_steps =
      steps_of(reweighting, shape.batch, shape.heads, static_cast<double>(std::max(shape.queries, shape.keys)));
  const test::ReferenceReweighting reference = test::reference_reweighting(reweighting, own_steps);
  const auto feature = test::reference_feature(name_of(map));
  const auto out = test::reference_linear_attention(shape, feature, reference, inputs.query, inputs.key, inputs.value);
  const auto expected = test::reference_linear_attention_gradients(shape, feature, reference, inputs.query, inputs.key,
                                                                   inputs.value, inputs.dout);
  for (const LinearAttentionForm form : forms_of(shape.causal)) {
    if (form == LinearAttentionForm::linear && !reweighting_kind(reweighting).linear_form) continue;
    CAPTURE(name_of(form), name_of(map), reweighting_kind(reweighting).name, shape.queries, shape.keys, shape.head_dim,
            shape.value_dim, shape.causal);
    const LinearAttentionOptions options{
        .feature_map = map, .reweighting = reweighting, .steps = own_steps, .form = form, .chunk_size = chunk_size};
    const AttentionResult actual = run_linear<T>(shape, options, inputs);
    require_close("out", out, actual.out, {.rel = value_tolerance});
    require_close("dquery", expected.dquery, actual.dquery, {.rel = gradient_tolerance, .abs = gradient_tolerance});
    require_close("dkey", expected.dkey, actual.dkey, {.rel = gradient_tolerance, .abs = gradient_tolerance});
    require_close("dvalue", expected.dvalue, actual.dvalue, {.rel = gradient_tolerance});
  }
}

TEST_CASE("Every causal form equals the plain loops at lengths around a chunk") {
  const auto length = GENERATE(1, 2, 63, 64, 65, 130);
  const auto map = GENERATE(ScalarFunction::relu, ScalarFunction::elu);
  const auto reweighting = GENERATE(Reweighting::none, Reweighting::cos, Reweighting::decay);
  const AttentionCase shape{
      .batch = 2, .queries = length, .keys = length, .heads = 2, .head_dim = 5, .value_dim = 7, .causal = true};
  require_forms_agree<double>(shape, map, reweighting, 1e-11, 1e-9);
}

TEST_CASE("Every form that is not causal equals the plain loops for self and cross attention") {
  const auto [queries, keys] =
      GENERATE(table<int, int>({{1, 1}, {2, 2}, {63, 63}, {130, 130}, {1, 65}, {65, 1}, {64, 130}, {200, 17}, {3, 1100}}));
  const auto reweighting = GENERATE(Reweighting::none, Reweighting::cos, Reweighting::decay);
  const AttentionCase shape{.batch = 2, .queries = queries, .keys = keys, .heads = 3, .head_dim = 6, .value_dim = 4};
  require_forms_agree<double>(shape, ScalarFunction::relu, reweighting, 1e-11, 1e-9);
}

TEST_CASE("Every form equals the plain loops for every feature map") {
  const auto map = GENERATE(ScalarFunction::identity, ScalarFunction::leaky_relu, ScalarFunction::relu,
                            ScalarFunction::squared_relu, ScalarFunction::elu, ScalarFunction::gelu);
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 1, .queries = 70, .keys = 70, .heads = 1, .head_dim = 16, .value_dim = 16, .causal = causal};
  require_forms_agree<double>(shape, map, Reweighting::cos, 1e-11, 1e-9);
}

TEST_CASE("Chunks of any size give the same numbers") {
  const auto reweighting = GENERATE(Reweighting::cos, Reweighting::decay);
  const auto chunk_size = GENERATE(1, 3, 16, 50, 1000);
  const AttentionCase shape{
      .batch = 1, .queries = 50, .keys = 50, .heads = 2, .head_dim = 8, .value_dim = 3, .causal = true};
  require_forms_agree<double>(shape, ScalarFunction::relu, reweighting, 1e-11, 1e-9, chunk_size);
}

TEST_CASE("Keys masked anywhere count for nothing") {
  const auto reweighting = GENERATE(Reweighting::cos, Reweighting::decay);
  const bool causal = GENERATE(true, false);
  AttentionCase shape{.batch = 3, .queries = 66, .keys = 66, .heads = 2, .head_dim = 8, .value_dim = 8, .causal = causal};
  shape.key_mask.assign(3 * 66, 1);
  for (std::size_t j = 0; j < 66; ++j) {
    shape.key_mask[j] = j % 3 != 0;        // every third one, the first included
    shape.key_mask[66 + j] = j < 40;       // padding at the end
    shape.key_mask[2 * 66 + j] = j >= 65;  // all but the last
  }
  require_forms_agree<double>(shape, ScalarFunction::relu, reweighting, 1e-11, 1e-9);
}

TEST_CASE("Single precision keeps its accuracy in every form") {
  const auto reweighting = GENERATE(Reweighting::cos, Reweighting::decay);
  const bool causal = GENERATE(true, false);
  const AttentionCase shape{
      .batch = 1, .queries = 700, .keys = 700, .heads = 2, .head_dim = 32, .value_dim = 32, .causal = causal};
  require_forms_agree<float>(shape, ScalarFunction::relu, reweighting, 1e-5, 1e-4);
}

double distance_by_norm(const std::vector<double>& expected, const std::vector<double>& actual) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (expected[i] - actual[i]) * (expected[i] - actual[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}

TEST_CASE("Single precision at length 4096 stays within the promised distance of the quadratic form in double") {
  const auto form = GENERATE(LinearAttentionForm::chunked, LinearAttentionForm::recurrent, LinearAttentionForm::linear);
  const bool causal = form != LinearAttentionForm::linear;
  const AttentionCase shape{
      .batch = 1, .queries = 4096, .keys = 4096, .heads = 1, .head_dim = 64, .value_dim = 64, .causal = causal};
  const AttentionInputs inputs = random_inputs(shape, 5);
  const std::vector<double> angle_steps = steps(1, 4096);
  LinearAttentionOptions options{.steps = {angle_steps, angle_steps}};
  options.form = LinearAttentionForm::quadratic;
  const AttentionResult expected = run_linear<double>(shape, options, inputs);
  options.form = form;
  const AttentionResult actual = run_linear<float>(shape, options, inputs);
  CAPTURE(name_of(form));
  CHECK(distance_by_norm(expected.out, actual.out) <= 1e-5);
  CHECK(distance_by_norm(expected.dquery, actual.dquery) <= 1e-4);
  CHECK(distance_by_norm(expected.dkey, actual.dkey) <= 1e-4);
  CHECK(distance_by_norm(expected.dvalue, actual.dvalue) <= 1e-4);
}

double loss(const AttentionCase& shape, const LinearAttentionOptions& options, const AttentionInputs& inputs) {
  const AttentionResult result = run_linear<double>(shape, options, inputs);
  double sum = 0;
  for (std::size_t i = 0; i < result.out.size(); ++i) sum += result.out[i] * inputs.dout[i];
  return sum;
}

/// The gradient by central differences of one operand, changed in place and restored.
std::vector<double> central_differences(const AttentionCase& shape, const LinearAttentionOptions& options,
                                        AttentionInputs& inputs, std::vector<double>& operand) {
  constexpr double kStep = 1e-5;
  std::vector<double> gradient;
  for (double& x : operand) {
    const double kept = x;
    x = kept + kStep;
    const double above = loss(shape, options, inputs);
    x = kept - kStep;
    const double below = loss(shape, options, inputs);
    x = kept;
    gradient.push_back((above - below) / (2 * kStep));
  }
  return gradient;
}

TEST_CASE("Gradients of every form equal central differences") {
  const bool causal = GENERATE(true, false);
  const auto map =
      GENERATE(ScalarFunction::relu, ScalarFunction::elu, ScalarFunction::leaky_relu, ScalarFunction::squared_relu);
  const AttentionCase shape{
      .batch = 1, .queries = 5, .keys = causal ? 5 : 4, .heads = 2, .head_dim = 3, .value_dim = 2, .causal = causal};
  AttentionInputs inputs = random_inputs(shape, 31, map == ScalarFunction::elu ? -1 : -0.2);
  const auto reweighting = GENERATE(Reweighting::cos, Reweighting::decay);
  const ReweightingSteps own_steps =
      reweighting == Reweighting::cos ? ReweightingSteps{{0.21}, {causal ? 0.21 : 0.17}} : steps_of(reweighting, 1, 2, 0);
  for (const LinearAttentionForm form : forms_of(causal)) {
    if (form == LinearAttentionForm::linear && !reweighting_kind(reweighting).linear_form) continue;
    const LinearAttentionOptions options{
        .feature_map = map, .reweighting = reweighting, .steps = own_steps, .form = form, .chunk_size = 2};
    CAPTURE(name_of(form), name_of(map), causal);
    const AttentionResult actual = run_linear<double>(shape, options, inputs);
    require_close("dquery", central_differences(shape, options, inputs, inputs.query), actual.dquery, {.rel = 1e-6});
    require_close("dkey", central_differences(shape, options, inputs, inputs.key), actual.dkey, {.rel = 1e-6});
    require_close("dvalue", central_differences(shape, options, inputs, inputs.value), actual.dvalue, {.rel = 1e-6});
  }
}

TEST_CASE("A decay of 100,000 tokens overflows nowhere and forgets as its formula says") {
  constexpr std::int64_t kLength = 100'000;
  const AttentionCase shape{
      .batch = 1, .queries = kLength, .keys = kLength, .heads = 2, .head_dim = 4, .value_dim = 3, .causal = true};
  const AttentionInputs inputs = random_inputs(shape, 5, 0.1);
  // Of head 0 half a million powers lie below the least number of single precision; head 1 is RetNet's slowest of eight.
  const double fast = -std::log(0.2), slow = -std::log1p(-std::exp2(-12.0));
  const LinearAttentionOptions options{.reweighting = Reweighting::decay, .steps = {{fast, slow}, {fast, slow}}};
  const AttentionResult actual = run_linear<float>(shape, options, inputs);
  for (const auto* values : {&actual.out, &actual.dquery, &actual.dkey, &actual.dvalue}) {
    REQUIRE(std::ranges::all_of(*values, [](double x) { return std::isfinite(x); }));
  }
  // The last outputs by the recurrence, in double.
  for (std::size_t h = 0; h < 2; ++h) {
    const double gamma = std::exp(-options.steps.query[h]);
    std::vector<double> state(4 * 4);
    for (std::size_t t = 0; t < kLength; ++t) {
      const std::size_t row = t * 2 + h;
      for (std::size_t d = 0; d < 4; ++d) {
        for (std::size_t e = 0; e < 4; ++e) {
          state[d * 4 + e] = gamma * state[d * 4 + e] + inputs.key[row * 4 + d] * (e < 3 ? inputs.value[row * 3 + e] : 1);
        }
      }
      if (t % 9973 != 0 && t + 1 != kLength) continue;
      double sums[4] = {};
      for (std::size_t d = 0; d < 4; ++d) {
        for (std::size_t e = 0; e < 4; ++e) sums[e] += inputs.query[row * 4 + d] * state[d * 4 + e];
      }
      CAPTURE(h, t);
      for (std::size_t e = 0; e < 3; ++e) CHECK(actual.out[row * 3 + e] == Approx(sums[e] / sums[3]).margin(2e-5));
    }
  }
}

}  // namespace
}  // namespace cosformer
