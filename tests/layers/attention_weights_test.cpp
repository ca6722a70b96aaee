// Attention as a matrix: against outputs, for every registered variant.
#include "layers/attention/attention_weights.h"

#include <cmath>

#include "layers/model.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

/// Σ_s weights[b, h, t, s] · value[b, s, h, e], as [b, t, h, e].
Values weighted_values(const Tensor& weights, const Tensor& value) {
  const Values w = values_of(weights), v = values_of(value);
  const std::int64_t batch = weights.dim(0), heads = weights.dim(1), queries = weights.dim(2), keys = weights.dim(3);
  const std::int64_t width = value.dim(3);
  Values out;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t t = 0; t < queries; ++t)
      for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t e = 0; e < width; ++e) {
          double sum = 0;
          for (std::int64_t s = 0; s < keys; ++s)
            sum += w[static_cast<std::size_t>(((b * heads + h) * queries + t) * keys + s)] *
                   v[static_cast<std::size_t>(((b * keys + s) * heads + h) * width + e)];
          out.push_back(sum);
        }
  return out;
}

}  // namespace

TEST_CASE("attention weights times values are the output, with every attention and mask") {
  for (const Variant& variant : attention_variants()) {
    const LoneAttention attention(variant.config, 20, DType::float64);
    for (const bool causal : {false, true}) {
      if (!variant.supports_mask(causal)) continue;
      CAPTURE(variant.name, causal);
      const std::int64_t queries = 9, keys = causal ? 9 : 7;
      // Positive queries and keys keep the normaliser of every feature map away from 0.
      const Tensor query = random_tensor({2, queries, 2, 4}, 1, DType::float64, 0.1, 1.0);
      const Tensor key = random_tensor({2, keys, 2, 4}, 2, DType::float64, 0.1, 1.0);
      const Tensor value = random_tensor({2, keys, 2, 3}, 3, DType::float64);
      AttentionMask mask{.causal = causal, .key_mask = {}, .query_mask = {}};
      if (!causal) mask.key_mask = mask_of({"1110111", "1111100"});
      const Tensor weights =
          attention_weights(*attention, LoneAttention::inputs(Variable(query), Variable(key), Variable(value)), mask, {});
      REQUIRE(weights.shape() == Shape({2, 2, queries, keys}));
      const Values out = values_of(attention.forward(Variable(query), Variable(key), Variable(value), mask).value());
      require_close("weights · value", out, weighted_values(weights, value), {.rel = 1e-9, .abs = 1e-12});
    }
  }
}

TEST_CASE("attention without re-weighting is the linear attention of the same features") {
  const Tensor query = random_tensor({1, 9, 2, 4}, 1, DType::float64), key = random_tensor({1, 9, 2, 4}, 2, DType::float64);
  const AttentionMask mask{.causal = true, .key_mask = {}, .query_mask = {}};
  AttentionConfig config;
  config.kind = "cosformer";
  const LoneAttention cosformer(config);
  const AttentionInputs inputs = LoneAttention::inputs(Variable(query), Variable(key), Variable(query));
  const AttentionRecord record = record_attention(*cosformer, inputs, mask, {});
  CHECK(record.reweighting.name == "cos");
  REQUIRE(record.reweighting.parameters.size() == 1);
  CHECK(record.reweighting.parameters[0] == Approx(20));
  const Values weights = values_of(record.reweighting.weights);
  REQUIRE(record.reweighting.weights.shape() == Shape({1, 9, 9}));
  CHECK(weights[8 * 9 + 2] == Approx(std::cos(3.14159265358979 / 2 * 6 / 20)));
  CHECK(weights[2 * 9 + 8] == 0);
  config.kind = "linear";
  config.feature_map = "relu";
  const LoneAttention linear(config);
  CHECK(linear->without_reweighting() == nullptr);
  require_close("plain", values_of(attention_weights(*linear, inputs, mask, {})), values_of(record.plain_weights));
  CHECK_FALSE(values_of(record.weights) == values_of(record.plain_weights));
  CHECK_FALSE(record_attention(*linear, inputs, mask, {}).plain_weights.defined());
}

TEST_CASE("a re-weighting between two texts is shown as it is computed, with one length for both and with each one's own") {
  constexpr std::int64_t kQueries = 5, kKeys = 14;
  const Tensor query = random_tensor({1, kQueries, 2, 4}, 1, DType::float64, 0.1, 1.0);
  const Tensor key = random_tensor({1, kKeys, 2, 4}, 2, DType::float64, 0.1, 1.0);
  for (const CrossReweighting lengths : {CrossReweighting::shared_length, CrossReweighting::own_lengths}) {
    AttentionConfig config;
    config.kind = "cosformer";
    config.cross_reweighting = lengths;
    const LoneAttention attention(config, 20, DType::float64);
    const AttentionRecord record =
        record_attention(*attention, LoneAttention::inputs(Variable(query), Variable(key), Variable(key)), {}, {});
    const Values shown = values_of(record.reweighting.weights), plain = values_of(record.plain_weights);
    Values product;
    for (std::size_t row = 0; row < 2 * kQueries; ++row) {
      double sum = 0;
      for (std::size_t j = 0; j < kKeys; ++j) sum += plain[row * kKeys + j] * shown[row % kQueries * kKeys + j];
      for (std::size_t j = 0; j < kKeys; ++j)
        product.push_back(plain[row * kKeys + j] * shown[row % kQueries * kKeys + j] / sum);
    }
    // The matrix is of float32.
    require_close("plain · re-weighting", values_of(record.weights), product, {.rel = 1e-5});
  }
}

TEST_CASE("a decay is shown under its own name, with the rate of each head") {
  const Tensor query = random_tensor({1, 5, 2, 4}, 1, DType::float64);
  AttentionConfig config;
  config.kind = "linear";
  config.reweighting = "decay";
  const AttentionMask mask{.causal = true, .key_mask = {}, .query_mask = {}};
  const LoneAttention attention(config);
  const AttentionRecord record =
      record_attention(*attention, LoneAttention::inputs(Variable(query), Variable(query), Variable(query)), mask, {});
  CHECK(record.reweighting.name == "decay");
  REQUIRE(record.reweighting.weights.shape() == Shape({2, 5, 5}));
  const Values weights = values_of(record.reweighting.weights);
  for (const std::size_t head : {0U, 1U}) {
    const double gamma = 1 - std::pow(2.0, -5.0 - static_cast<double>(head));
    CHECK(record.reweighting.parameters[head] == Approx(gamma));
    CHECK(weights[head * 25 + 4 * 5 + 1] == Approx(std::pow(gamma, 3)));
    CHECK(weights[head * 25 + 1 * 5 + 4] == 0);
  }
  CHECK(record.plain_weights.defined());
}

TEST_CASE("a pass that records attention computes the same and records every layer") {
  for (const bool fused : {true, false}) {
    AttentionConfig attention;
    ModelConfig config = small_model(ModelKind::decoder, attention, 12);
    config.num_layers = 2;
    config.norm = fused ? NormPlacement::pre : NormPlacement::post;
    const Model model(config, 3);
    const Tensor ids = random_ids({1, 12}, 4, config.vocab_size);
    AttentionRecords records;
    const Values recorded = values_of(model.decode(ids, nullptr, {}, {.attention_records = &records}).value());
    CHECK(recorded == values_of(model.decode(ids, nullptr, {}, {}).value()));
    REQUIRE(records.size() == 2);
    for (const char* name : {"decoder.layers.0.self_attn", "decoder.layers.1.self_attn"}) {
      REQUIRE(records.contains(name));
      CHECK(records.at(name).weights.shape() == Shape({1, config.num_heads, 12, 12}));
    }
  }
}

}  // namespace cosformer::test
