// What the registry says that a kind supports, and what becomes of a config that asks for more.
#include <algorithm>

#include "layers/attention/registry.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

TEST_CASE("a model that asks an attention for what it does not support is refused in one line") {
  const auto message = [](ModelKind kind, auto&& change) {
    AttentionConfig attention;
    change(attention);
    const ModelConfig config = small_model(kind, attention, 10);
    const auto problem = find_attention_problem(config);
    REQUIRE(problem);
    // The config and the model say the same.
    CHECK(input_error_of([&] { Model(config, 1); }) == problem->message);
    CHECK(problem->message.find(problem->key) == 0);
    CHECK(std::ranges::count(problem->message, '\n') == 0);
    return problem->message;
  };
  CHECK(message(ModelKind::decoder, [](AttentionConfig& own) { own.kind = "linformer"; }) ==
        "attention.kind = \"linformer\" is not causal, and a decoder's attention to itself is");
  CHECK(message(ModelKind::encoder, [](AttentionConfig& own) { own.kind = "gated"; }) ==
        "attention.kind = \"gated\" is causal only, and an encoder's attention is not");
  CHECK(message(ModelKind::encoder_decoder, [](AttentionConfig& own) { own.self = "linformer"; }) ==
        "attention.self = \"linformer\" is not causal, and a decoder's attention to itself is");
  CHECK(message(ModelKind::encoder_decoder, [](AttentionConfig& own) { own.cross = "gated"; }) ==
        "attention.cross = \"gated\" sees no other text than the queries', and a decoder's attention to an encoder does");
  ModelConfig alibi = small_model(ModelKind::decoder, {}, 10);
  alibi.num_layers = 2;
  alibi.positions = Positions::alibi;
  alibi.attention.layers = {"softmax", "cosformer"};
  CHECK(input_error_of([&] { Model(alibi, 1); }) ==
        "model.positions = \"alibi\" lowers scores of softmax by their distance, and attention.layers = \"cosformer\" does "
        "not "
        "take it");
  CHECK(message(ModelKind::encoder, [](AttentionConfig& own) { own.kind = "linear", own.reweighting = "decay"; }) ==
        "attention.reweighting = \"decay\" is causal only, and an encoder's attention is not");
  for (const char* kind : {"linear", "cosformer", "cosformer2", "transnormer"}) {
    CAPTURE(kind);
    CHECK(
        message(ModelKind::decoder, [&](AttentionConfig& own) { own.kind = kind, own.form = "linear"; }) ==
        "attention.form = \"linear\" is not causal, and a decoder's attention to itself is; \"chunked\" is its causal form");
    for (const char* form : {"chunked", "recurrent"}) {
      CHECK(message(ModelKind::encoder, [&](AttentionConfig& own) {
              own.kind = kind, own.form = form;
            }).starts_with(concat("attention.form = \"", form, "\" is causal only, and an encoder's attention is not")));
      CHECK(message(ModelKind::encoder_decoder, [&](AttentionConfig& own) {
              own.kind = "softmax", own.cross = kind, own.form = form;
            }).starts_with(concat("attention.form = \"", form, "\" is causal only, and attention to an encoder is not")));
    }
  }
  CHECK(message(ModelKind::decoder, [](AttentionConfig& own) {
          own.kind = "linear", own.normalization = "l1", own.form = "chunked";
        }) == "attention.form must be \"auto\" or \"quadratic\" with attention.normalization = \"l1\", not \"chunked\"");
}

TEST_CASE("forms and normalisers are those of linear attention, and no problem of other kinds") {
  for (const char* kind : {"softmax", "gated", "rfa", "transnormer"}) {
    CAPTURE(kind);
    AttentionConfig attention;
    attention.kind = kind;
    attention.normalization = "l1";
    attention.form = "chunked";
    const ModelConfig config = small_model(ModelKind::decoder, attention, 10);
    CHECK_FALSE(find_attention_problem(config));
    CHECK_FALSE(overruled_options(config).empty());
  }
}

TEST_CASE("what the registry says of seed, bounds and weights is so for every attention") {
  const ThreadCountScope one_thread(1);
  constexpr std::int64_t kLength = 14;
  for (const Variant& variant : attention_variants()) {
    CAPTURE(variant.name);
    const AttentionSupport support = variant.supports();
    const bool causal = !support.not_causal;
    const auto outputs = [&](AttentionConfig config, std::int64_t length) {
      const LoneAttention attention(config, kLength);
      const Variable heads(random_tensor({1, length, 2, 4}, 1, DType::float32));
      const Variable value(random_tensor({1, length, 2, 4}, 3, DType::float32));
      return values_of(attention.forward(heads, heads, value, {.causal = causal, .key_mask = {}, .query_mask = {}}).value());
    };
    const Values plain = outputs(variant.config, kLength);
    bool differs = false;
    for (std::int64_t seed = 5; seed < 9; ++seed) {
      AttentionConfig config = variant.config;
      config.seed = seed;
      // The parameters of a lone attention are of seed 5.
      const bool is_same = outputs(config, kLength) == plain;
      if (seed == 5) CHECK(is_same);
      differs = differs || !is_same;
    }
    CHECK(differs == support.draws);
    CHECK(draws_by_seed(small_model(causal ? ModelKind::decoder : ModelKind::encoder, variant.config, 10)) == support.draws);
    const std::string longer = input_error_of([&] { outputs(variant.config, kLength + variant.config.sinkhorn_block); });
    CHECK(longer.empty() == !support.bounded);
    AttentionConfig dropping = variant.config;
    dropping.dropout = 0.1;
    const std::string refusal = input_error_of([&] { LoneAttention{dropping}; });
    CHECK(refusal.empty() == support.has_weights);
    if (!refusal.empty()) CHECK(refusal.starts_with("attention.dropout: "));
  }
}

TEST_CASE("dropout of weights is for those attentions of a model that have some") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 10);
  config.num_layers = 2;
  config.attention.dropout = 0.1;
  config.attention.layers = {"cosformer", "softmax"};
  CHECK(attention_of_layer(config, AttentionPlace::decoder_self, 0).dropout == 0);
  CHECK(attention_of_layer(config, AttentionPlace::decoder_self, 1).dropout == 0.1);
  CHECK_NOTHROW(Model(config, 1));
  config.attention.layers = {"cosformer", "gated"};
  CHECK(input_error_of([&] { Model(config, 1); }).starts_with("attention.dropout: "));
}

TEST_CASE("directions that are not drawn do not keep windows from going on") {
  for (const char* kind : {"cosformer", "hedgehog", "linear"}) {
    AttentionConfig config;
    config.kind = kind;
    config.redraw_every = 10;
    CHECK(find_attention_kind(kind).supports(config).carries);
    config.feature_map = "favor";
    CHECK(find_attention_kind(kind).supports(config).carries == (config.kind != "linear"));
  }
}

TEST_CASE("an attention may be mixed with others that support the other places") {
  AttentionConfig attention;
  attention.kind = "softmax";
  attention.encoder = attention.cross = "linformer";
  attention.self = "gated";
  const ModelConfig config = small_model(ModelKind::encoder_decoder, attention, 10);
  CHECK_FALSE(find_attention_problem(config));
  const Model model(config, 1);
  std::vector<std::string> owned;
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.name.find("_projection") != std::string::npos || parameter.name.find("gate_") != std::string::npos) {
      owned.push_back(parameter.name);
    }
  }
  for (const char* name : {"encoder.layers.0.self_attn.key_projection", "decoder.layers.0.encoder_attn.value_projection",
                           "decoder.layers.0.self_attn.gate_down.weight", "decoder.layers.0.self_attn.gate_up.bias"}) {
    CHECK(std::ranges::count(owned, name) == 1);
  }
  CHECK(owned.size() == 2 + 2 + 3);
}

TEST_CASE("a text longer than linformer projects is refused with the key to change") {
  AttentionConfig attention;
  attention.kind = "linformer";
  const LoneAttention lone(attention, 6);
  const Variable heads(Tensor::zeros({1, 7, 2, 4}));
  CHECK(input_error_of([&] { lone.forward(heads, heads, heads, {}); }) ==
        "model.max_length: linformer projects 6 positions, and a text has 7");
}

}  // namespace cosformer::test
