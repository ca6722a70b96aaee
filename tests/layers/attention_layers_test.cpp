// Stacks whose layers attend in different ways (attention.layers).
#include <algorithm>
#include <set>

#include "layers/cost.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

ModelConfig layered(std::vector<std::string> layers, std::int64_t num_layers, ModelKind kind = ModelKind::decoder) {
  AttentionConfig attention;
  attention.layers = std::move(layers);
  ModelConfig config = small_model(kind, attention, 12);
  config.num_layers = num_layers;
  return config;
}

/// The numbers of a stack's layers that own a gate, which is the mark of kind "gated".
std::set<std::string> gated_layers(const Model& model) {
  std::set<std::string> layers;
  for (const Parameter& parameter : model.parameters()) {
    const std::size_t end = parameter.name.find(".self_attn.gate_down");
    if (end != std::string::npos) layers.insert(parameter.name.substr(0, end));
  }
  return layers;
}

}  // namespace

TEST_CASE("kinds of layers are repeated to the end of the stack") {
  CHECK(gated_layers(Model(layered({"cosformer", "gated"}, 5), 1)) ==
        std::set<std::string>{"decoder.layers.1", "decoder.layers.3"});
  CHECK(gated_layers(Model(layered({"gated", "softmax", "softmax"}, 4), 1)) ==
        std::set<std::string>{"decoder.layers.0", "decoder.layers.3"});
}

TEST_CASE("layers of one kind are the model of that kind to the bit") {
  const Tensor ids = random_ids({2, 9}, 3, 13);
  ModelConfig plain = layered({}, 3);
  plain.attention.kind = "softmax";
  for (const std::vector<std::string>& layers : {std::vector<std::string>{"softmax"}, {"softmax", "softmax"}}) {
    CHECK(values_of(Model(layered(layers, 3), 4).decode(ids, nullptr, {}, {}).value()) ==
          values_of(Model(plain, 4).decode(ids, nullptr, {}, {}).value()));
  }
}

TEST_CASE("a decoder whose layers differ says the same token by token, with every kind beside softmax and cosformer") {
  const ThreadCountScope one_thread(1);
  const Tensor ids = random_ids({2, 10}, 5, 13);
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    if (!variant.never_negative()) continue;
    CAPTURE(variant.name);
    ModelConfig config = layered({"softmax", variant.config.kind, "cosformer"}, 4);
    const std::vector<std::string> layers = config.attention.layers;
    config.attention = variant.config;
    config.attention.layers = layers;
    if (find_attention_problem(config)) continue;
    const Model model(config, 7, DType::float64);
    const Tensor whole = model.decode(ids, nullptr, {}, {}).value();
    DecoderState state = model.decoder().start();
    Tensor steps = Tensor::zeros(whole.shape(), DType::float64);
    for (std::int64_t t = 0; t < ids.dim(1); ++t) {
      steps.narrow(1, t, 1).copy_from(model.decoder().step(ids.narrow(1, t, 1).contiguous(), state));
    }
    require_close("hidden", values_of(whole), values_of(steps), {.rel = 1e-10});
  }
}

TEST_CASE("an encoder-decoder has the pattern in both stacks, but where a place has a kind of its own") {
  ModelConfig config = layered({"softmax", "gated"}, 2, ModelKind::encoder_decoder);
  config.attention.encoder = "softmax";
  CHECK(gated_layers(Model(config, 1)) == std::set<std::string>{"decoder.layers.1"});
  CHECK(attention_at(config.attention, AttentionPlace::cross, 1).kind == config.attention.kind);
  CHECK(attention_at(config.attention, AttentionPlace::encoder, 1).kind == "softmax");
}

TEST_CASE("layers that cannot be are refused in one line") {
  const auto message = [](const ModelConfig& config) {
    const auto problem = find_attention_problem(config);
    REQUIRE(problem);
    CHECK(input_error_of([&] { Model(config, 1); }) == problem->message);
    CHECK(std::string(problem->key) == "attention.layers");
    return problem->message;
  };
  CHECK(message(layered({"softmax", "linformer"}, 2)) ==
        "attention.layers = \"linformer\" is not causal, and a decoder's attention to itself is");
  CHECK(message(layered({"softmax", "gated"}, 2, ModelKind::encoder)) ==
        "attention.layers = \"gated\" is causal only, and an encoder's attention is not");
  CHECK(message(layered({"softmax", "cosformer", "local"}, 2)) ==
        "attention.layers names 3 layers, and model.num_layers is 2");
  CHECK(input_error_of([] { Model(layered({"softmx"}, 2), 1); }).find("\"softmax\"") != std::string::npos);
}

TEST_CASE("a stack costs what its layers cost") {
  const auto flops = [](std::vector<std::string> layers, std::int64_t count) {
    return forward_flops_per_token(layered(std::move(layers), count), 12);
  };
  const double head = flops({}, 0), softmax = flops({"softmax"}, 1) - head, cosformer = flops({"cosformer"}, 1) - head;
  CHECK(softmax != cosformer);
  CHECK(flops({"cosformer", "softmax"}, 5) == Approx(head + 3 * cosformer + 2 * softmax));
  const auto memory = [](std::vector<std::string> layers) {
    const ModelConfig config = layered(std::move(layers), 4);
    return static_cast<double>(estimate_memory(config, 100, 2, {.rows = 2, .seq_len = 512}).activations);
  };
  const double mixed = memory({"softmax_materialized", "cosformer"});
  CHECK(mixed < memory({"softmax_materialized"}));
  CHECK(mixed > memory({"cosformer"}));
}

TEST_CASE("a pattern of layers has a title") {
  CHECK(attention_title({}) == "cosformer");
  CHECK(attention_title(layered({"softmax", "local"}, 2).attention) == "[softmax, local]");
}

}  // namespace cosformer::test
