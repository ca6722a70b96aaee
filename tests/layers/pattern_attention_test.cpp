// Attentions that look at few keys, and those that read no keys at all: their options, parameters and noise.
#include <algorithm>
#include <set>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

AttentionConfig kind_of(const char* kind) {
  AttentionConfig config;
  config.kind = kind;
  return config;
}

Values output_of(const AttentionConfig& config, bool causal, const Pass& pass, std::uint64_t seed = 1) {
  ParameterStore store(seed, DType::float32);
  const MultiHeadAttention attention(Scope(store, "layer"), 8, 2, config, 40);
  const Tensor x = random_tensor({1, 40, 8}, 21, DType::float32);
  return values_of(
      attention.forward(Variable(x), Variable(x), {.causal = causal, .key_mask = {}, .query_mask = {}}, pass).value());
}

}  // namespace

TEST_CASE("options of a pattern that make no sense are refused with their key") {
  const auto message = [](const char* kind, auto&& change) {
    AttentionConfig config = kind_of(kind);
    change(config);
    return input_error_of([&] { LoneAttention{config}; });
  };
  CHECK(message("longformer", [](AttentionConfig& own) { own.longformer_window = -1; }) ==
        "attention.longformer_window: expected at least 0, found -1");
  CHECK(message("longformer", [](AttentionConfig& own) { own.longformer_globals = -2; }) ==
        "attention.longformer_globals: expected at least 0, found -2");
  CHECK(message("bigbird", [](AttentionConfig& own) { own.bigbird_window_blocks = 4; }) ==
        "attention.bigbird_window_blocks: expected an odd number, found 4");
  CHECK(message("bigbird", [](AttentionConfig& own) { own.bigbird_block_size = 0; }) ==
        "attention.bigbird_block_size: expected at least 1, found 0");
  CHECK(message("sparse", [](AttentionConfig& own) { own.sparse_summary = 129; }) ==
        "attention.sparse_summary: expected at most attention.sparse_stride = 128, found 129");
  CHECK(message("sparse", [](AttentionConfig& own) { own.sparse_pattern = "fixd"; }).find("\"fixed\"") != std::string::npos);
  CHECK(message("reformer", [](AttentionConfig& own) { own.reformer_rounds = 0; }) ==
        "attention.reformer_rounds: expected at least 1, found 0");
  CHECK(message("sinkhorn", [](AttentionConfig& own) { own.sinkhorn_temperature = 0; }) ==
        "attention.sinkhorn_temperature: expected a number above 0, found 0");
  CHECK(message("synthesizer", [](AttentionConfig& own) { own.synthesizer = "dens"; }).find("\"dense\"") !=
        std::string::npos);
  CHECK(message("synthesizer", [](AttentionConfig& own) { own.synthesizer_rank = 0; }) ==
        "attention.synthesizer_rank: expected at least 1, found 0");
}

TEST_CASE("a text longer than a synthesizer's or a sorting network's parameters is refused with the key to change") {
  const Variable heads(Tensor::zeros({1, 7, 2, 4}));
  CHECK(input_error_of([&] { LoneAttention(kind_of("synthesizer"), 6).forward(heads, heads, heads, {}); }) ==
        "model.max_length: synthesizer has weights for 6 positions, and a text has 7");
  AttentionConfig sinkhorn = kind_of("sinkhorn");
  sinkhorn.sinkhorn_block = 3;
  CHECK(input_error_of([&] { LoneAttention(sinkhorn, 6).forward(heads, heads, heads, {}); }) ==
        "model.max_length: sinkhorn sorts 2 blocks, and a text has 3");
}

TEST_CASE("an attention has no projection that it does not read") {
  const auto projections = [](AttentionConfig config) {
    ParameterStore store(1, DType::float32);
    const MultiHeadAttention attention(Scope(store, "layer"), 8, 2, config, 10);
    std::set<std::string> names;
    for (const Parameter& parameter : store.all()) {
      if (parameter.name.ends_with("_proj.weight")) names.insert(parameter.name);
    }
    return names;
  };
  const std::set<std::string> values = {"layer.v_proj.weight", "layer.out_proj.weight"};
  std::set<std::string> queries = values;
  queries.insert("layer.q_proj.weight");
  CHECK(projections(kind_of("reformer")) == queries);
  AttentionConfig config = kind_of("synthesizer");
  for (const char* form : {"dense", "factorized_dense"}) {
    config.synthesizer = form;
    CHECK(projections(config) == queries);
  }
  for (const char* form : {"random", "factorized_random"}) {
    config.synthesizer = form;
    CHECK(projections(config) == values);
  }
  CHECK(projections(kind_of("longformer")).size() == 4);
}

TEST_CASE("random blocks and hashes belong to the seed of the model") {
  for (const char* kind : {"bigbird", "reformer"}) {
    AttentionConfig config = kind_of(kind);
    config.bigbird_block_size = 2;
    config.bigbird_global_blocks = config.bigbird_random_blocks = 1;
    config.reformer_rounds = 1;
    config.reformer_buckets = 8;
    const auto outputs = [&](std::uint64_t seed) {
      ParameterStore store(seed, DType::float32);
      const auto attention = make_attention(
          config, {.scope = Scope(store, "layer"), .num_heads = 2, .head_dim = 4, .embed_dim = 8, .max_length = 40});
      const Variable x(random_tensor({1, 40, 2, 4}, 21, DType::float32, -3, 3));
      return values_of(attention->forward({x, x, x, {}}, {}, {}).value());
    };
    CAPTURE(kind);
    CHECK(outputs(1) == outputs(1));
    CHECK(outputs(1) != outputs(2));
  }
}

TEST_CASE("the sorting network is noisy while training alone, and by the step") {
  AttentionConfig config = kind_of("sinkhorn");
  config.sinkhorn_block = 5;
  for (const bool causal : {false, true}) {
    const Values calm = output_of(config, causal, {}), noisy = output_of(config, causal, {.training = true, .seed = 3});
    CHECK(calm != noisy);
    CHECK(noisy == output_of(config, causal, {.training = true, .seed = 3}));
    CHECK(noisy != output_of(config, causal, {.training = true, .seed = 3, .noise_index = 1}));
    config.sinkhorn_noise = false;
    CHECK(calm == output_of(config, causal, {.training = true, .seed = 3}));
    config.sinkhorn_noise = true;
  }
}

}  // namespace cosformer::test
