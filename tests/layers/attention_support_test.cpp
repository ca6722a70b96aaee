// What the registry says that a kind supports, and what becomes of a config that asks for more.
#include <algorithm>

#include "layers/attention/registry.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"

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
