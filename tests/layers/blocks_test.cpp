// The blocks of current models: RMS norm, gated units, no biases, rotary positions, shared heads of keys, and what stands
// around an attention, with softmax and with linear attention.
#include <algorithm>
#include <functional>

#include "layers/attention/select_rows.h"
#include "tests/catch.h"
#include "tests/layers/decoder_loss.h"
#include "tests/layers/parameter_gradients.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

struct Block {
  const char* name;
  void (*change)(ModelConfig&);
};

/// Every part alone, and what current models are made of.
constexpr Block kBlocks[] = {
    {"RMS norm", [](ModelConfig& config) { config.norm_kind = NormKind::rms; }},
    {"SwiGLU", [](ModelConfig& config) { config.ffn_kind = FeedForwardKind::swiglu; }},
    {"GEGLU", [](ModelConfig& config) { config.ffn_kind = FeedForwardKind::geglu; }},
    {"no biases", [](ModelConfig& config) { config.bias = false; }},
    {"rotary positions", [](ModelConfig& config) { config.positions = Positions::rope; }},
    {"scores that fall with the distance", [](ModelConfig& config) { config.positions = Positions::alibi; }},
    {"shared heads of keys", [](ModelConfig& config) { config.num_kv_heads = 1; }},
    {"all of them",
     [](ModelConfig& config) {
       config.norm_kind = NormKind::rms;
       config.ffn_kind = FeedForwardKind::swiglu;
       config.bias = false;
       config.positions = Positions::rope;
       config.num_kv_heads = 1;
     }},
    {"all of them around gated heads",
     [](ModelConfig& config) {
       config.norm_kind = NormKind::rms;
       config.positions = Positions::rope;
       config.num_kv_heads = 2;
       config.attention.output_gate = OutputGate::silu;
       config.attention.short_convolution = 4;
       config.attention.normalization = "rms";
     }},
};

void for_each_config(ModelKind kind, const std::function<void(const ModelConfig&)>& visit) {
  for (const Block& block : kBlocks) {
    for (const char* attention : {"softmax", "cosformer"}) {
      ModelConfig config = small_model(kind, {}, 12);
      config.attention.kind = attention;
      config.num_layers = 2;
      block.change(config);
      if (kind == ModelKind::encoder) config.attention.short_convolution = 0;
      const bool refused = config.positions == Positions::alibi && attention == std::string_view("cosformer");
      REQUIRE(find_attention_problem(config).has_value() == refused);
      if (refused) continue;
      CAPTURE(block.name, attention);
      visit(config);
    }
  }
}

/// The hidden states of a decoder, one token after the other.
Tensor by_steps(const Model& model, const Tensor& ids, DecoderState state) {
  Tensor hidden = Tensor::zeros({ids.dim(0), ids.dim(1), model.config().embed_dim}, DType::float64);
  for (std::int64_t t = 0; t < ids.dim(1); ++t) {
    hidden.narrow(1, t, 1).copy_from(model.decoder().step(ids.narrow(1, t, 1).contiguous(), state));
  }
  return hidden;
}

}  // namespace

TEST_CASE("gradients of every block's parameters agree with central differences", "[central-differences]") {
  const ThreadCountScope one_thread(1);
  for_each_config(ModelKind::decoder, [](ModelConfig config) {
    for (const NormPlacement norm : {NormPlacement::pre, NormPlacement::post}) {
      config.norm = norm;
      config.num_layers = 1;
      const Model model(config, 9, DType::float64);
      spread_parameters(model.parameters());
      const Tensor ids = random_ids({2, 6}, 31, config.vocab_size), targets = random_ids({2, 6}, 32, config.vocab_size);
      CHECK(worst_parameter_error(model.parameters(),
                                  [&](const Pass& pass) { return decoder_loss(model, ids, targets, pass); }) <= 1e-6);
    }
  });
}

TEST_CASE("a decoder of every block says the same token by token") {
  const ThreadCountScope one_thread(1);
  for_each_config(ModelKind::decoder, [](const ModelConfig& config) {
    const Model model(config, 7, DType::float64);
    const Tensor ids = random_ids({3, 10}, 6, 13);
    require_close("hidden", values_of(model.decode(ids, nullptr, {}, {}).value()),
                  values_of(by_steps(model, ids, model.decoder().start())), {.rel = 1e-10});
  });
}

TEST_CASE("a decoder of every block goes on with chosen texts") {
  const ThreadCountScope one_thread(1);
  const std::vector<std::int64_t> rows = {2, 0, 0};
  for_each_config(ModelKind::decoder, [&](const ModelConfig& config) {
    const Model model(config, 7, DType::float64);
    const Tensor begun = random_ids({3, 5}, 6, 13), rest = random_ids({3, 4}, 8, 13);
    DecoderState state = model.decoder().start();
    for (std::int64_t t = 0; t < 5; ++t) model.decoder().step(begun.narrow(1, t, 1).contiguous(), state);
    state.select(rows);
    Tensor whole = Tensor::zeros({3, 9}, DType::int32);
    whole.narrow(1, 0, 5).copy_from(select_rows(begun, rows));
    whole.narrow(1, 5, 4).copy_from(rest);
    const Tensor expected = model.decode(whole, nullptr, {}, {}).value().narrow(1, 5, 4);
    require_close("hidden", values_of(expected.contiguous()), values_of(by_steps(model, rest, std::move(state))),
                  {.rel = 1e-10});
  });
}

TEST_CASE("a kind without queries says the same token by token if its heads share values") {
  for (const char* form : {"random", "factorized_random"}) {
    CAPTURE(form);
    ModelConfig config = small_model(ModelKind::decoder, {}, 12);
    config.attention.kind = "synthesizer";
    config.attention.synthesizer = form;
    config.num_kv_heads = 1;
    const Model model(config, 7, DType::float64);
    const Tensor ids = random_ids({2, 8}, 6, 13);
    require_close("by steps", values_of(model.decode(ids, nullptr, {}, {}).value()),
                  values_of(by_steps(model, ids, model.decoder().start())), {.rel = 1e-10});
  }
}

TEST_CASE("an encoder-decoder of every block says the same token by token, and sees no neighbours") {
  const ThreadCountScope one_thread(1);
  const std::vector<std::int64_t> source_lengths = {9, 12, 4}, lengths = {3, 8, 7};
  const SharedPaddingMask source_mask = padding_mask_from_lengths(source_lengths, 12),
                          mask = padding_mask_from_lengths(lengths, 8);
  for_each_config(ModelKind::encoder_decoder, [&](ModelConfig config) {
    config.attention.self_reweighting_length = 12;
    config.attention.reweighting_length = ReweightingLength::fixed;
    config.attention.reweighting_length_value = 12;
    const Model model(config, 7, DType::float64);
    const Tensor source = random_ids({3, 12}, 5, 13), ids = random_ids({3, 8}, 6, 13);
    const EncoderOutput encoded{model.encode(source, source_mask, {}), source_mask};
    const Tensor batch = model.decode(ids, mask, encoded, {}).value();
    require_close("by steps", values_of(model.decode(ids, nullptr, encoded, {}).value()),
                  values_of(by_steps(model, ids, model.decoder().start(encoded))), {.rel = 1e-10});
    for (std::int64_t b = 0; b < 3; ++b) {
      const auto item = [&](const Tensor& x, const std::vector<std::int64_t>& sizes) {
        return x.narrow(0, b, 1).narrow(1, 0, sizes[static_cast<std::size_t>(b)]).contiguous();
      };
      const Variable own = model.encode(item(source, source_lengths), nullptr, {});
      const Variable alone = model.decode(item(ids, lengths), nullptr, {own, nullptr}, {});
      require_close("alone", values_of(alone.value()), values_of(item(batch, lengths)), {.rel = 1e-10});
    }
  });
}

TEST_CASE("a decoder of every block sees nothing of the future") {
  for_each_config(ModelKind::decoder, [](const ModelConfig& config) {
    const Model model(config, 7, DType::float64);
    const Tensor ids = random_ids({1, 10}, 6, 13);
    Tensor changed = ids.clone();
    changed.narrow(1, 6, 4).copy_from(random_ids({1, 4}, 77, 13));
    const auto start = [&](const Tensor& tokens) {
      return values_of(model.decode(tokens, nullptr, {}, {}).value().narrow(1, 0, 6).contiguous());
    };
    CHECK(start(ids) == start(changed));
  });
}

TEST_CASE("rotary positions tell distances alone: a text that stands elsewhere has the same states") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 12);
  config.attention.kind = "softmax";
  config.positions = Positions::rope;
  const Model model(config, 7, DType::float64);
  const Tensor ids = random_ids({1, 6}, 6, 13);
  const auto standing_at = [&](std::int32_t first) {
    PaddingMask mask{1, 6, {1, 1, 1, 1, 1, 1}, {}, first + 6};
    for (std::int32_t t = 0; t < 6; ++t) mask.positions.push_back(first + t);
    return values_of(model.decode(ids, std::make_shared<const PaddingMask>(std::move(mask)), {}, {}).value());
  };
  const Values plain = values_of(model.decode(ids, nullptr, {}, {}).value());
  require_close("at 0", plain, standing_at(0), {.rel = 1e-12});
  require_close("at 3000", plain, standing_at(3000), {.rel = 1e-9});
  // The order counts.
  Tensor turned = ids.clone();
  turned.narrow(1, 0, 1).copy_from(ids.narrow(1, 4, 1));
  turned.narrow(1, 4, 1).copy_from(ids.narrow(1, 0, 1));
  const Values other = values_of(model.decode(turned, nullptr, {}, {}).value());
  CHECK(std::abs(other.back() - plain.back()) > 1e-6);
}

TEST_CASE("a model without biases has none, and RMS norms have a weight alone") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 12);
  config.attention.output_gate = OutputGate::sigmoid;
  const auto biases = [&] {
    const std::vector<Parameter> parameters = Model(config, 1).parameters();
    return std::ranges::count_if(parameters, [](const Parameter& own) { return own.name.ends_with(".bias"); });
  };
  CHECK(biases() == 5 + 2 + 2 + 1);
  config.norm_kind = NormKind::rms;
  CHECK(biases() == 5 + 2);
  config.bias = false;
  CHECK(biases() == 0);
  config.norm_kind = NormKind::layer;
  CHECK(biases() == 0);
}

TEST_CASE("what stands around an attention has names and shapes of its own") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 12);
  config.attention.normalization = "rms";
  config.attention.output_gate = OutputGate::silu;
  config.attention.short_convolution = 3;
  config.num_kv_heads = 1;
  config.ffn_kind = FeedForwardKind::swiglu;
  const Model model(config, 1);
  const auto shape_of = [&](const std::string& name) {
    const auto found = std::ranges::find(model.parameters(), "decoder.layers.0." + name, &Parameter::name);
    REQUIRE(found != model.parameters().end());
    return found->variable.shape();
  };
  CHECK(shape_of("self_attn.head_norm.weight") == Shape({4}));
  CHECK(shape_of("self_attn.gate_proj.weight") == Shape({8, 8}));
  CHECK(shape_of("self_attn.q_convolution.weight") == Shape({8, 3}));
  CHECK(shape_of("self_attn.k_convolution.weight") == Shape({4, 3}));
  CHECK(shape_of("self_attn.v_proj.weight") == Shape({4, 8}));
  CHECK(shape_of("fc_gate.weight") == Shape({12, 8}));
}

TEST_CASE("blocks that cannot be are refused in one line") {
  const auto message = [](ModelKind kind, auto&& change) {
    ModelConfig config = small_model(kind, {}, 10);
    change(config);
    const auto problem = find_attention_problem(config);
    REQUIRE(problem);
    CHECK(input_error_of([&] { Model(config, 1); }) == problem->message);
    CHECK(problem->message.find(problem->key) == 0);
    return problem->message;
  };
  CHECK(message(ModelKind::encoder, [](ModelConfig& config) { config.attention.short_convolution = 3; }) ==
        "attention.short_convolution is causal, and an encoder's attention is not");
  CHECK(message(ModelKind::decoder, [](ModelConfig& config) {
          config.positions = Positions::rope;
          config.embed_dim = 6;
        }) == "model.positions = \"rope\" turns pairs of channels, and model.embed_dim / model.num_heads is 3");
  CHECK(message(ModelKind::decoder, [](ModelConfig& config) { config.num_kv_heads = 3; }) ==
        "model.num_kv_heads (3) must divide model.num_heads (2)");
}

}  // namespace cosformer::test
