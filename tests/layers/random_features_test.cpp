// Random directions: how many, when they are drawn anew, and what their features come near.
#include "layers/attention/random_features.h"

#include <cmath>

#include "core/kernels/feature_attention/unit_features.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

RandomDirections directions(std::int64_t redraw_every, std::uint64_t seed = 5) {
  ParameterStore store(seed, DType::float32);
  return RandomDirections({.scope = Scope(store, "layer"), .num_heads = 2, .head_dim = 4}, 6, redraw_every);
}

Values drawn(const RandomDirections& from, std::int64_t step, bool training = true) {
  return values_of(from.draw(DType::float64, {.training = training, .step = step}));
}

}  // namespace

TEST_CASE("the number of directions is the head's width, a given number, or d log d") {
  AttentionConfig config;
  CHECK(feature_count(config, 64) == 64);
  config.num_features = 17;
  CHECK(feature_count(config, 64) == 17);
  config.num_features = kDLogD;
  CHECK(feature_count(config, 64) == 266);
  CHECK(feature_count(config, 1) == 1);
}

TEST_CASE("directions are drawn anew by the step alone, in training alone") {
  const RandomDirections redrawn = directions(3), fixed = directions(0);
  const Values first = drawn(redrawn, 0);
  CHECK(first == drawn(fixed, 1000));
  CHECK(first == drawn(redrawn, 2));
  const Values second = drawn(redrawn, 3), third = drawn(redrawn, 7);
  CHECK(first != second);
  CHECK(second != third);
  CHECK(first == drawn(redrawn, 7, false));
  // A run that was stopped comes back at any step, in any order.
  CHECK(third == drawn(directions(3), 8));
  CHECK(second == drawn(redrawn, 5));
  CHECK(third != drawn(directions(3, 6), 8));
  CHECK(input_error_of([] { directions(-1); }) == "attention.redraw_every: expected at least 0, found -1");
}

TEST_CASE("a training pass goes by the step's directions, and any other by the first ones") {
  const ThreadCountScope one_thread(1);
  for (const char* kind : {"linear", "rfa"}) {
    AttentionConfig config;
    config.kind = kind;
    config.feature_map = "favor";
    config.redraw_every = 2;
    const LoneAttention attention(config, 20, DType::float64);
    const Variable x(random_tensor({1, 5, 2, 4}, 1, DType::float64));
    const auto output = [&](const Pass& pass) {
      return values_of(attention.forward(x, x, x, {.causal = true}, pass).value());
    };
    CAPTURE(kind);
    CHECK(output({.training = true, .step = 1}) == output({}));
    CHECK(output({.training = true, .step = 2}) != output({}));
    CHECK(output({.step = 2}) == output({}));
  }
}

TEST_CASE("sines and cosines in float are those of the library") {
  std::vector<float> x, sines(4001), cosines(4001);
  for (int i = -2000; i <= 2000; ++i) x.push_back(static_cast<float>(i) * 0.0101F * (i % 7 == 0 ? 100.0F : 1.0F));
  sines_and_cosines<float>(x.data(), 4001, 0.5F, sines.data(), cosines.data());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto value = static_cast<double>(x[i]);
    worst = std::max({worst, std::abs(static_cast<double>(sines[i]) - 0.5 * std::sin(value)),
                      std::abs(static_cast<double>(cosines[i]) - 0.5 * std::cos(value))});
  }
  CHECK(worst < 1e-7);
}

TEST_CASE("features of many directions come near the Gaussian and the arc-cosine kernel") {
  constexpr std::int64_t kDim = 4, kMany = 20000;
  ParameterStore store(5, DType::float64);
  const Tensor projection = orthogonal_features({.scope = Scope(store, "layer"), .num_heads = 1, .head_dim = kDim}, kMany);
  const Tensor x = random_tensor({1, 2, 1, kDim}, 3, DType::float64), sigma = Tensor::full({1, kDim}, 1.3, DType::float64);
  const Values v = values_of(x);
  double dot = 0, squares[2] = {0, 0};
  for (std::size_t d = 0; d < kDim; ++d) {
    dot += v[d] * v[kDim + d];
    squares[0] += v[d] * v[d];
    squares[1] += v[kDim + d] * v[kDim + d];
  }
  const double cosine = dot / std::sqrt(squares[0] * squares[1]), angle = std::acos(cosine), variance = 1.3 * 1.3;
  const auto similarity = [&](UnitFeatures kind) {
    const Values phi = values_of(unit_features(Variable(x), Variable(sigma), projection, kind).value());
    const std::size_t width = phi.size() / 2;
    double sum = 0;
    for (std::size_t f = 0; f < width; ++f) sum += phi[f] * phi[width + f];
    return sum;
  };
  require_close("Gaussian", std::exp(-variance * (1 - cosine)), similarity(UnitFeatures::gaussian), {.rel = 0, .abs = 0.02});
  require_close("arc-cosine", variance * (std::sin(angle) + (M_PI - angle) * cosine) / (2 * M_PI),
                similarity(UnitFeatures::arccos), {.rel = 0, .abs = 0.03});
}

TEST_CASE("random feature attention costs time and memory linear in the length, and a gate is asked for causally") {
  AttentionConfig config;
  config.kind = "rfa";
  const LoneAttention attention(config);
  const auto flops = [&](std::int64_t n) { return attention->forward_flops(n, n, true); };
  CHECK(flops(4000) == 4 * flops(1000));
  CHECK(attention->saved_numbers(4000, 4000, true) == 4 * attention->saved_numbers(1000, 1000, true));
  config.recency_gate = true;
  const auto problem = find_attention_problem(small_model(ModelKind::encoder, config, 10));
  REQUIRE(problem);
  CHECK(problem->message == "attention.recency_gate = true is causal only, and an encoder's attention is not");
  CHECK_FALSE(find_attention_problem(small_model(ModelKind::decoder, config, 10)));
  config.feature_kind = "gausian";
  CHECK(input_error_of([&] { LoneAttention{config}; }).starts_with("attention.feature_kind: "));
}

}  // namespace cosformer::test
