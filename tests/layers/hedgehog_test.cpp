// Hedgehog's learned feature map: what it begins with, what it computes, and what it costs.
#include <cmath>

#include "core/memory.h"
#include "layers/attention/head_features.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

AttentionConfig hedgehog() {
  AttentionConfig config;
  config.kind = "hedgehog";
  return config;
}

/// [softmax(W x), softmax(−W x)].
Values features(const Values& x, const Values& weight) {
  const std::size_t dim = x.size(), count = weight.size() / dim;
  Values out;
  for (const double sign : {1.0, -1.0}) {
    Values exps;
    double sum = 0;
    for (std::size_t f = 0; f < count; ++f) {
      double product = 0;
      for (std::size_t d = 0; d < dim; ++d) product += weight[f * dim + d] * x[d];
      sum += exps.emplace_back(std::exp(sign * product));
    }
    for (const double value : exps) out.push_back(value / sum);
  }
  return out;
}

}  // namespace

TEST_CASE("hedgehog begins with the identity for queries and keys, of any number of features") {
  for (const std::int64_t count : {0, 3, 6}) {
    AttentionConfig config = hedgehog();
    config.num_features = count;
    const LoneAttention attention(config);
    REQUIRE(attention.parameters().size() == 2);
    CHECK(attention.parameters()[0].name == "layer.feature_map_q.weight");
    CHECK(attention.parameters()[1].name == "layer.feature_map_k.weight");
    for (const Parameter& parameter : attention.parameters()) {
      const std::int64_t features = count == 0 ? 4 : count;
      REQUIRE(parameter.variable.shape() == Shape({2, features, 4}));
      const Values values = values_of(parameter.variable.value());
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t f = i / 4 % static_cast<std::size_t>(features);
        CHECK(values[i] == (f == i % 4 ? 1 : 0));
      }
    }
  }
}

TEST_CASE("hedgehog attention is what its formula says") {
  const ThreadCountScope one_thread(1);
  constexpr std::size_t kLength = 6, kHeads = 2, kDim = 4;
  AttentionConfig config = hedgehog();
  config.num_features = 3;
  const LoneAttention attention(config, 20, DType::float64);
  std::vector<Values> weights;
  for (const Parameter& parameter : attention.parameters()) {
    Tensor value = parameter.variable.value();
    value.copy_from(random_tensor(value.shape(), 10 + weights.size(), DType::float64, -2, 2));
    weights.push_back(values_of(value));
  }
  std::vector<Tensor> inputs;
  for (const std::uint64_t seed : {1, 2, 3})
    inputs.push_back(random_tensor({1, kLength, kHeads, kDim}, seed, DType::float64));
  const Values q = values_of(inputs[0]), k = values_of(inputs[1]), v = values_of(inputs[2]);
  const auto row = [](const Values& x, std::size_t t, std::size_t h) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>((t * kHeads + h) * kDim);
    return Values(begin, begin + kDim);
  };
  const auto map = [&](std::size_t side, std::size_t h) {
    const auto begin = weights[side].begin() + static_cast<std::ptrdiff_t>(h * 3 * kDim);
    return Values(begin, begin + 3 * kDim);
  };
  for (const bool causal : {true, false}) {
    Values expected;
    for (std::size_t i = 0; i < kLength; ++i) {
      for (std::size_t h = 0; h < kHeads; ++h) {
        const Values query = features(row(q, i, h), map(0, h));
        Values sums(kDim);
        double total = 0;
        for (std::size_t j = 0; j < (causal ? i + 1 : kLength); ++j) {
          const Values key = features(row(k, j, h), map(1, h));
          double similarity = 0;
          for (std::size_t f = 0; f < query.size(); ++f) similarity += query[f] * key[f];
          total += similarity;
          for (std::size_t d = 0; d < kDim; ++d) sums[d] += similarity * row(v, j, h)[d];
        }
        for (const double sum : sums) expected.push_back(sum / total);
      }
    }
    const Variable out =
        attention.forward(Variable(inputs[0]), Variable(inputs[1]), Variable(inputs[2]), {.causal = causal});
    require_close(causal ? "causal" : "not causal", expected, values_of(out.value()), {.rel = 1e-12});
  }
}

TEST_CASE("hedgehog generates from a state that does not grow, and takes memory linear in the length") {
  const ThreadCountScope one_thread(1);
  const LoneAttention attention(hedgehog());
  const std::unique_ptr<AttentionState> state = attention->start();
  const Variable token(random_tensor({1, 1, 2, 4}, 1, DType::float32));
  const auto live_bytes_after = [&](int steps) {
    for (int t = 0; t < steps; ++t) state->step(LoneAttention::inputs(token, token, token));
    return memory_use().live_bytes;
  };
  const std::int64_t before = live_bytes_after(10);
  CHECK(live_bytes_after(300) == before);
  CHECK(attention->forward_flops(4000, 4000, true) == 4 * attention->forward_flops(1000, 1000, true));
  CHECK(attention->saved_numbers(4000, 4000, true) == 4 * attention->saved_numbers(1000, 1000, true));
}

TEST_CASE("hedgehog decides its feature map itself, and linear attention takes it with any re-weighting") {
  ModelConfig model = small_model(ModelKind::decoder, hedgehog(), 20);
  CHECK(overruled_options(model).empty());
  model.attention.reweighting = "cos";
  REQUIRE(overruled_options(model).size() == 1);
  CHECK(overruled_options(model)[0].starts_with("attention.reweighting = \"cos\" has no effect: "));
  AttentionConfig config = hedgehog();
  config.dropout = 0.1;
  CHECK(input_error_of([&] { LoneAttention{config}; }).starts_with("attention.dropout: "));
  config = {};
  config.kind = "linear";
  config.feature_map = "hedgehog";
  config.reweighting = "cos";
  CHECK(LoneAttention(config).parameters().size() == 2);
}

}  // namespace cosformer::test
