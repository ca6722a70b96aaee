#include <algorithm>
#include <cmath>
#include <memory>

#include "autograd/backward.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kLongest = 80;

bool all_finite(const Values& values) {
  return !values.empty() && std::ranges::all_of(values, [](double x) { return std::isfinite(x); });
}

}  // namespace

TEST_CASE("the attention registry and the feature maps hold the published variants") {
  std::vector<std::string> kinds, maps;
  for (const AttentionKind& kind : attention_kinds()) kinds.emplace_back(kind.name);
  for (const FeatureMapKind& map : feature_maps()) maps.emplace_back(map.name);
  for (const char* name : {"cosformer", "linear", "softmax", "softmax_materialized"})
    CHECK(std::ranges::count(kinds, name) == 1);
  for (const char* name : {"identity", "leaky_relu", "relu", "elu", "favor"}) CHECK(std::ranges::count(maps, name) == 1);
}

TEST_CASE("unknown names of attention are refused with the nearest name") {
  const auto message = [](auto&& change) {
    AttentionConfig config;
    config.kind = "linear";
    change(config);
    return input_error_of([&] { LoneAttention{config}; });
  };
  const auto names = [](const std::string& text, const char* key, const char* nearest) {
    CAPTURE(text);
    CHECK(text.find(key) == 0);
    CHECK(text.find(nearest) != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
  };
  names(message([](AttentionConfig& config) { config.kind = "cosfromer"; }), "attention.kind:", "\"cosformer\"");
  names(message([](AttentionConfig& config) { config.feature_map = "rellu"; }), "attention.feature_map:", "\"relu\"");
  names(message([](AttentionConfig& config) { config.reweighting = "coss"; }), "attention.reweighting:", "\"cos\"");
  names(message([](AttentionConfig& config) { config.form = "chunkd"; }), "attention.form:", "\"chunked\"");
  names(message([](AttentionConfig& config) { config.normalization = "l2"; }), "attention.normalization:", "\"l1\"");
  for (const char* form : {"linear", "chunked", "recurrent"}) {
    names(message([&](AttentionConfig& config) { config.normalization = "l1", config.form = form; }),
          "attention.form:", "expected \"auto\" or \"quadratic\"");
  }
  names(message([](AttentionConfig& config) { config.chunk_size = 0; }), "attention.chunk_size:", "found 0");
  names(message([](AttentionConfig& config) { config.kind = "local", config.window = -1; }),
        "attention.window:", "found -1");
}

TEST_CASE("an option that a kind of attention decides itself is named if a config sets another value") {
  ModelConfig config{.kind = ModelKind::decoder};
  config.attention.kind = "cosformer";
  CHECK(overruled_options(config).empty());
  config.attention.reweighting = "cos";
  CHECK(overruled_options(config).empty());
  config.attention.reweighting = "decay";
  config.attention.feature_map = "elu";
  const std::vector<std::string> lines = overruled_options(config);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] ==
        "attention.feature_map = \"elu\" has no effect: attention.kind = \"cosformer\" takes \"relu\"; kind = "
        "\"linear\" takes any");
  CHECK(lines[1].starts_with("attention.reweighting = \"decay\" has no effect"));
  config.attention.kind = "linear";
  CHECK(overruled_options(config).empty());

  // One layer that takes a value is enough.
  config.num_layers = 2;
  config.attention.kind = "softmax";
  config.attention.layers = {"cosformer", "linear"};
  CHECK(overruled_options(config).empty());
  config.attention.layers = {"cosformer", "softmax"};
  REQUIRE(overruled_options(config).size() == 2);
  CHECK(overruled_options(config)[0] ==
        "attention.feature_map = \"elu\" has no effect: attention.layers = \"cosformer\" takes \"relu\"; kind = \"linear\" "
        "takes any");
  config.attention = {};
  config.attention.kind = "gated";
  config.attention.normalization = "rms";
  CHECK(overruled_options(config).empty());
  config.attention.normalization = "l1";
  config.attention.form = "chunked";
  const std::vector<std::string> further = overruled_options(config);
  REQUIRE(further.size() == 2);
  CHECK(further[0] == "attention.normalization = \"l1\" has no effect: attention.kind = \"gated\" has no such option");
  CHECK(further[1] == "attention.form = \"chunked\" has no effect: attention.kind = \"gated\" has no such option");
}

TEST_CASE("every attention gives finite outputs and gradients of the right shape") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants()) {
    CAPTURE(variant.name);
    for (const DType dtype : {DType::float32, DType::float64}) {
      const LoneAttention attention(variant.config, kLongest, dtype);
      CHECK(attention->forward_flops(100, 100, false) > 0);
      for (const bool causal : {false, true}) {
        if (!variant.supports_mask(causal)) continue;
        const std::int64_t queries = 9, keys = causal ? 9 : 14;
        const Variable query = Variable::leaf(random_tensor({3, queries, 2, 4}, 1, dtype));
        const Variable key = Variable::leaf(random_tensor({3, keys, 2, 4}, 2, dtype));
        const Variable value = Variable::leaf(random_tensor({3, keys, 2, 6}, 3, dtype));
        const Variable out = attention.forward(query, key, value, {.causal = causal, .key_mask = {}, .query_mask = {}});
        CHECK(out.shape() == Shape({3, queries, 2, 6}));
        CHECK(out.dtype() == dtype);
        CHECK(all_finite(values_of(out.value())));
        const Gradients gradients = backward(uneven_loss(out));
        for (const Variable& input : {query, key, value}) {
          CHECK(gradients.of(input).shape() == input.shape());
          CHECK(all_finite(values_of(gradients.of(input))));
        }
      }
    }
  }
}

TEST_CASE("causal attention tells nothing of the future, to the bit") {
  const ThreadCountScope one_thread(1);
  const std::int64_t length = 70;
  for (const Variant& variant : attention_variants()) {
    for (const char* form : {"auto", "quadratic", "chunked", "recurrent"}) {
      const bool chunked_or_recurrent = form == std::string("chunked") || form == std::string("recurrent");
      if (form != std::string("auto") && (!variant.is_linear() || (chunked_or_recurrent && !variant.has_forms()))) continue;
      AttentionConfig config = variant.config;
      config.form = form;
      if (!variant.supports().causal) continue;
      const LoneAttention attention(config, kLongest);
      const auto outputs = [&](const std::vector<Tensor>& inputs) {
        return values_of(attention
                             .forward(Variable(inputs[0]), Variable(inputs[1]), Variable(inputs[2]),
                                      {.causal = true, .key_mask = {}, .query_mask = {}})
                             .value());
      };
      std::vector<Tensor> inputs;
      for (const std::uint64_t seed : {1, 2, 3}) inputs.push_back(random_tensor({1, length, 2, 4}, seed, DType::float32));
      const Values before = outputs(inputs);
      for (const std::int64_t changed : {1, 33, 64, 69}) {
        CAPTURE(variant.name, form, changed);
        std::vector<Tensor> other;
        for (const Tensor& input : inputs) {
          other.push_back(input.clone());
          other.back().narrow(1, changed, 1).fill(0.75);
        }
        const Values after = outputs(other);
        const std::ptrdiff_t first = changed * 8;
        CHECK(std::equal(before.begin(), before.begin() + first, after.begin()));
        CHECK_FALSE(std::equal(before.begin() + first, before.end(), after.begin() + first));
      }
    }
  }
}

TEST_CASE("a decoder tells nothing of the future, to the bit") {
  const ThreadCountScope one_thread(1);
  const std::int64_t length = 70;
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    ModelConfig config = small_model(ModelKind::decoder, variant.config, length);
    config.num_layers = 2;
    const Model model(config, 3);
    const Tensor ids = random_ids({1, length}, 4, config.vocab_size);
    const auto outputs = [&](const Tensor& tokens) { return values_of(model.decode(tokens, nullptr, {}, {}).value()); };
    const Values before = outputs(ids);
    for (const std::int64_t changed : {1, 64, 69}) {
      CAPTURE(variant.name, changed);
      Tensor other = ids.clone();
      std::int32_t& token = other.span<std::int32_t>()[static_cast<std::size_t>(changed)];
      token = (token + 1) % static_cast<std::int32_t>(config.vocab_size);
      const Values after = outputs(other);
      const std::ptrdiff_t first = changed * config.embed_dim;
      CHECK(std::equal(before.begin(), before.begin() + first, after.begin()));
      CHECK_FALSE(std::equal(before.begin() + first, before.end(), after.begin() + first));
    }
  }
}

}  // namespace cosformer::test
