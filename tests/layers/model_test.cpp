#include "layers/model.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "autograd/backward.h"
#include "core/error.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

namespace {

using Shapes = std::map<std::string, Shape>;

Shapes shapes_of(const Model& model) {
  Shapes shapes;
  for (const Parameter& parameter : model.parameters()) shapes.emplace(parameter.name, parameter.variable.shape());
  return shapes;
}

Shapes with(Shapes base, const Shapes& more) {
  base.insert(more.begin(), more.end());
  return base;
}

ModelConfig config_of(ModelKind kind) {
  ModelConfig config = small_model(kind, {}, 10);
  config.num_classes = 0;
  return config;
}

// embed_dim 8, ffn_dim 12, vocab_size 13, max_length 10, one layer.
const Shapes kDecoderLayer = {{"decoder.embed_tokens.weight", {13, 8}},
                              {"decoder.layers.0.self_attn.q_proj.weight", {8, 8}},
                              {"decoder.layers.0.self_attn.q_proj.bias", {8}},
                              {"decoder.layers.0.self_attn.k_proj.weight", {8, 8}},
                              {"decoder.layers.0.self_attn.k_proj.bias", {8}},
                              {"decoder.layers.0.self_attn.v_proj.weight", {8, 8}},
                              {"decoder.layers.0.self_attn.v_proj.bias", {8}},
                              {"decoder.layers.0.self_attn.out_proj.weight", {8, 8}},
                              {"decoder.layers.0.self_attn.out_proj.bias", {8}},
                              {"decoder.layers.0.self_attn_layer_norm.weight", {8}},
                              {"decoder.layers.0.self_attn_layer_norm.bias", {8}},
                              {"decoder.layers.0.fc1.weight", {12, 8}},
                              {"decoder.layers.0.fc1.bias", {12}},
                              {"decoder.layers.0.fc2.weight", {8, 12}},
                              {"decoder.layers.0.fc2.bias", {8}},
                              {"decoder.layers.0.final_layer_norm.weight", {8}},
                              {"decoder.layers.0.final_layer_norm.bias", {8}}};
const Shapes kDecoderPositions = {{"decoder.embed_positions.weight", {10, 8}}};
const Shapes kDecoderLastNorm = {{"decoder.layer_norm.weight", {8}}, {"decoder.layer_norm.bias", {8}}};
const Shapes kOutputProjection = {{"decoder.output_projection.weight", {13, 8}}};
const Shapes kEncoderAttention = {
    {"decoder.layers.0.encoder_attn.q_proj.weight", {8, 8}},   {"decoder.layers.0.encoder_attn.q_proj.bias", {8}},
    {"decoder.layers.0.encoder_attn.k_proj.weight", {8, 8}},   {"decoder.layers.0.encoder_attn.k_proj.bias", {8}},
    {"decoder.layers.0.encoder_attn.v_proj.weight", {8, 8}},   {"decoder.layers.0.encoder_attn.v_proj.bias", {8}},
    {"decoder.layers.0.encoder_attn.out_proj.weight", {8, 8}}, {"decoder.layers.0.encoder_attn.out_proj.bias", {8}},
    {"decoder.layers.0.encoder_attn_layer_norm.weight", {8}},  {"decoder.layers.0.encoder_attn_layer_norm.bias", {8}}};
const Shapes kEncoderLayer = {{"encoder.embed_tokens.weight", {13, 8}},
                              {"encoder.layers.0.self_attn.q_proj.weight", {8, 8}},
                              {"encoder.layers.0.self_attn.q_proj.bias", {8}},
                              {"encoder.layers.0.self_attn.k_proj.weight", {8, 8}},
                              {"encoder.layers.0.self_attn.k_proj.bias", {8}},
                              {"encoder.layers.0.self_attn.v_proj.weight", {8, 8}},
                              {"encoder.layers.0.self_attn.v_proj.bias", {8}},
                              {"encoder.layers.0.self_attn.out_proj.weight", {8, 8}},
                              {"encoder.layers.0.self_attn.out_proj.bias", {8}},
                              {"encoder.layers.0.self_attn_layer_norm.weight", {8}},
                              {"encoder.layers.0.self_attn_layer_norm.bias", {8}},
                              {"encoder.layers.0.fc1.weight", {12, 8}},
                              {"encoder.layers.0.fc1.bias", {12}},
                              {"encoder.layers.0.fc2.weight", {8, 12}},
                              {"encoder.layers.0.fc2.bias", {8}},
                              {"encoder.layers.0.final_layer_norm.weight", {8}},
                              {"encoder.layers.0.final_layer_norm.bias", {8}}};
const Shapes kEncoderPositions = {{"encoder.embed_positions.weight", {10, 8}}};
const Shapes kEncoderLastNorm = {{"encoder.layer_norm.weight", {8}}, {"encoder.layer_norm.bias", {8}}};
const Shapes kClassificationHead = {{"classification_head.dense.weight", {8, 8}},
                                    {"classification_head.dense.bias", {8}},
                                    {"classification_head.out_proj.weight", {3, 8}},
                                    {"classification_head.out_proj.bias", {3}}};

}  // namespace

TEST_CASE("parameters have the names and shapes of a checkpoint") {
  const auto shapes = [](const ModelConfig& config) { return shapes_of(Model(config, 10, 1)); };
  const Shapes decoder = with(kDecoderLayer, kDecoderPositions), encoder = with(kEncoderLayer, kEncoderPositions);

  ModelConfig config = config_of(ModelKind::decoder);
  CHECK(shapes(config) == with(decoder, kDecoderLastNorm));
  config.tie_embeddings = false;
  CHECK(shapes(config) == with(with(decoder, kDecoderLastNorm), kOutputProjection));
  config.norm = NormPlacement::post;
  CHECK(shapes(config) == with(decoder, kOutputProjection));
  config.tie_embeddings = true;
  CHECK(shapes(config) == decoder);
  config.positions = Positions::sinusoidal;
  CHECK(shapes(config) == kDecoderLayer);
  config.positions = Positions::none;
  CHECK(shapes(config) == kDecoderLayer);

  config = config_of(ModelKind::encoder);
  CHECK(shapes(config) == with(encoder, kEncoderLastNorm));
  config.num_classes = 3;
  CHECK(shapes(config) == with(with(encoder, kEncoderLastNorm), kClassificationHead));
  config.norm = NormPlacement::post;
  CHECK(shapes(config) == with(encoder, kClassificationHead));

  config = config_of(ModelKind::encoder_decoder);
  const Shapes both = with(with(encoder, decoder), kEncoderAttention);
  CHECK(shapes(config) == with(with(both, kEncoderLastNorm), kDecoderLastNorm));
  config.norm = NormPlacement::post;
  CHECK(shapes(config) == both);
  config.tie_embeddings = false;
  CHECK(shapes(config) == with(both, kOutputProjection));
}

TEST_CASE("token embeddings begin with the deviation that the config asks for") {
  const auto deviation = [](double embedding_std) {
    ModelConfig config = config_of(ModelKind::encoder);
    config.vocab_size = 4000;
    config.embed_dim = 16;
    config.embedding_std = embedding_std;
    const Model model(config, 10, 1);
    double squares = 0;
    const Tensor& table = model.parameters().front().variable.value();
    for (const float value : table.span<float>()) squares += static_cast<double>(value) * value;
    return std::sqrt(squares / static_cast<double>(table.size()));
  };
  CHECK(deviation(0) == Approx(0.25).epsilon(0.02));
  CHECK(deviation(0.02) == Approx(0.02).epsilon(0.02));
}

TEST_CASE("every parameter of every model gets a gradient") {
  for (const ModelKind kind : {ModelKind::decoder, ModelKind::encoder, ModelKind::encoder_decoder}) {
    for (const bool tied : {true, false}) {
      ModelConfig config = small_model(kind, {}, 10);
      config.tie_embeddings = tied;
      const Model model(config, 10, 1);
      const Tensor ids = random_ids({2, 10}, 1, config.vocab_size);
      const Pass pass{.record_gradients = true};
      Variable out, encoded;
      if (kind != ModelKind::decoder) encoded = model.encode(ids, nullptr, pass);
      if (kind == ModelKind::encoder) out = model.classify(encoded, nullptr, pass);
      if (kind != ModelKind::encoder) out = model.logits(model.decode(ids, nullptr, {encoded, nullptr}, pass), pass);
      const Gradients gradients = backward(uneven_loss(out));
      for (const Parameter& parameter : model.parameters()) {
        CAPTURE(parameter.name);
        CHECK(gradients.of(parameter.variable).defined());
      }
    }
  }
}

TEST_CASE("a model's parameters are a function of its seed") {
  const ModelConfig config = config_of(ModelKind::encoder_decoder);
  const auto all = [&](std::uint64_t seed) {
    const Model model(config, 10, seed);
    Values values;
    for (const Parameter& parameter : model.parameters()) {
      const Values own = values_of(parameter.variable.value());
      values.insert(values.end(), own.begin(), own.end());
    }
    return values;
  };
  CHECK(all(3) == all(3));
  CHECK(all(3) != all(4));
}

TEST_CASE("tied embeddings are the output projection") {
  ModelConfig config = config_of(ModelKind::decoder);
  const Model tied(config, 10, 1);
  CHECK(tied.output_weight().node() == tied.decoder().embedding_weight().node());
  config.tie_embeddings = false;
  const Model untied(config, 10, 1);
  CHECK(untied.output_weight().node() != untied.decoder().embedding_weight().node());
  CHECK(values_of(untied.output_weight().value()) != values_of(untied.decoder().embedding_weight().value()));
}

TEST_CASE("dropout belongs to training and to its step") {
  ModelConfig config = config_of(ModelKind::decoder);
  const Model plain(config, 10, 1);
  config.dropout = 0.3;
  const Model model(config, 10, 1);
  const Tensor ids = random_ids({2, 10}, 1, config.vocab_size);
  const auto hidden = [&](const Model& of, const Pass& pass) {
    return values_of(of.decode(ids, nullptr, {}, pass).value());
  };
  const Values evaluated = hidden(plain, {});
  CHECK(hidden(model, {}) == evaluated);
  CHECK(hidden(plain, {.training = true}) == evaluated);
  const Values trained = hidden(model, {.training = true, .seed = 5, .noise_index = 2});
  CHECK(trained != evaluated);
  CHECK(hidden(model, {.training = true, .record_gradients = true, .seed = 5, .noise_index = 2}) == trained);
  CHECK(hidden(model, {.training = true, .seed = 5, .noise_index = 3}) != trained);
  CHECK(hidden(model, {.training = true, .seed = 6, .noise_index = 2}) != trained);
}

TEST_CASE("dropout of attention weights and of activations belongs to training, with every kind that has weights") {
  for (const char* kind : {"softmax", "softmax_materialized", "local"}) {
    for (const bool of_weights : {true, false}) {
      CAPTURE(kind, of_weights);
      ModelConfig config = config_of(ModelKind::decoder);
      config.attention.kind = kind;
      const Model plain(config, 10, 1);
      (of_weights ? config.attention.dropout : config.activation_dropout) = 0.3;
      const Model model(config, 10, 1);
      const Tensor ids = random_ids({2, 10}, 1, config.vocab_size);
      const auto hidden = [&](const Model& of, const Pass& pass) {
        return values_of(of.decode(ids, nullptr, {}, pass).value());
      };
      require_close("evaluation", hidden(plain, {}), hidden(model, {}), {.rel = 1e-5, .abs = 1e-6});
      const Values trained = hidden(model, {.training = true, .seed = 5, .noise_index = 2});
      CHECK(trained != hidden(model, {}));
      CHECK(hidden(model, {.training = true, .record_gradients = true, .seed = 5, .noise_index = 2}) == trained);
      CHECK(hidden(model, {.training = true, .seed = 5, .noise_index = 3}) != trained);
    }
  }
}

TEST_CASE("the stored and the tiled softmax drop the same weights") {
  ModelConfig config = config_of(ModelKind::decoder);
  config.attention.dropout = 0.4;
  const auto hidden = [&](const char* kind) {
    config.attention.kind = kind;
    const Model model(config, 10, 1, DType::float64);
    const Tensor ids = random_ids({2, 10}, 1, config.vocab_size);
    return values_of(model.decode(ids, nullptr, {}, {.training = true, .seed = 5}).value());
  };
  require_close("hidden states", hidden("softmax_materialized"), hidden("softmax"), {.rel = 1e-10});
}

TEST_CASE("linear attention takes no dropout of weights") {
  for (const char* kind : {"linear", "cosformer"}) {
    ModelConfig config = config_of(ModelKind::decoder);
    config.attention.kind = kind;
    config.attention.dropout = 0.1;
    CHECK(input_error_of([&] { Model(config, 10, 1); }) ==
          "attention.dropout: linear attention has no matrix of weights to drop from; expected 0, found 0.1");
  }
}

TEST_CASE("scaled embeddings are those of a table sqrt(embed_dim) times as large") {
  ModelConfig config = config_of(ModelKind::decoder);
  config.tie_embeddings = false;
  const Model plain(config, 10, 1, DType::float64);
  config.scale_embeddings = true;
  const Model scaled(config, 10, 1, DType::float64);
  const Tensor ids = random_ids({2, 10}, 1, config.vocab_size);
  Tensor table = plain.decoder().embedding_weight().value();
  for (double& x : table.span<double>()) x *= std::sqrt(static_cast<double>(config.embed_dim));
  require_close("hidden states", values_of(plain.decode(ids, nullptr, {}, {}).value()),
                values_of(scaled.decode(ids, nullptr, {}, {}).value()), {.rel = 1e-10});
}

TEST_CASE("a model without a final norm ends with what its last layer gives") {
  ModelConfig config = config_of(ModelKind::decoder);
  const Model with(config, 10, 1, DType::float64);
  config.final_norm = false;
  const Model without(config, 10, 1, DType::float64);
  CHECK(with.parameters().size() == without.parameters().size() + 2);
  const Tensor ids = random_ids({2, 10}, 1, config.vocab_size);
  const Values bare = values_of(without.decode(ids, nullptr, {}, {}).value());
  const std::int64_t dim = config.embed_dim;
  const Variable ones(Tensor::full({dim}, 1.0, DType::float64)), zeros(Tensor::zeros({dim}, DType::float64));
  const Variable normed = layer_norm(without.decode(ids, nullptr, {}, {}), ones, zeros, 1e-5);
  require_close("hidden states", values_of(with.decode(ids, nullptr, {}, {}).value()), values_of(normed.value()),
                {.rel = 1e-10});
  CHECK(bare != values_of(normed.value()));
}

TEST_CASE("layers of one model drop different elements") {
  ParameterStore store(1, DType::float32);
  const Dropout first(Scope(store, "layers.0"), 0.5), second(Scope(store, "layers.1"), 0.5);
  const Variable x(Tensor::full({1000}, 1.0));
  const Pass pass{.training = true, .seed = 5, .noise_index = 2};
  const Values a = values_of(first.forward(x, pass).value()), b = values_of(second.forward(x, pass).value());
  CHECK(a != b);
  const auto kept = std::ranges::count(a, 2.0);
  CHECK(kept > 420);
  CHECK(kept < 580);
  CHECK(std::ranges::count(a, 0.0) + kept == 1000);
}

TEST_CASE("pooling takes the mean of real tokens or the first") {
  for (const Pooling pooling : {Pooling::mean, Pooling::first}) {
    ModelConfig config = small_model(ModelKind::encoder, {}, 10);
    config.pooling = pooling;
    const Model model(config, 10, 1, DType::float64);
    const Tensor hidden = random_tensor({2, 4, 8}, 3, DType::float64);
    const SharedPaddingMask mask = mask_of({"1110", "0101"});
    Tensor pooled = Tensor::zeros({2, 1, 8}, DType::float64);
    const Values h = values_of(hidden);
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t i = 0; i < 8; ++i) {
        const auto at = [&](std::int64_t t) { return h[static_cast<std::size_t>((b * 4 + t) * 8 + i)]; };
        const double mean = b == 0 ? (at(0) + at(1) + at(2)) / 3 : (at(1) + at(3)) / 2;
        pooled.span<double>()[static_cast<std::size_t>(b * 8 + i)] = pooling == Pooling::mean ? mean : at(0);
      }
    }
    const Tensor one_token = pooled;
    require_close("classes", values_of(model.classify(Variable(one_token), nullptr, {}).value()),
                  values_of(model.classify(Variable(hidden), mask, {}).value()), {.rel = 1e-13});
  }
}

TEST_CASE("pooling divides by what the config asks for") {
  ModelConfig config = small_model(ModelKind::encoder, {}, 10);
  const Tensor hidden = random_tensor({2, 4, 8}, 3, DType::float64);
  const SharedPaddingMask mask = mask_of({"1110", "0101"});
  Tensor summed = Tensor::zeros({2, 1, 8}, DType::float64);
  const Values h = values_of(hidden);
  for (std::size_t i = 0; i < 8; ++i) {
    summed.span<double>()[i] = h[i] + h[8 + i] + h[16 + i];
    summed.span<double>()[8 + i] = h[32 + 8 + i] + h[32 + 24 + i];
  }
  const auto expected = [&](double first, double second) {
    Tensor pooled = summed.clone();
    for (std::size_t i = 0; i < 8; ++i) pooled.span<double>()[i] /= first;
    for (std::size_t i = 8; i < 16; ++i) pooled.span<double>()[i] /= second;
    config.pooling_divisor = PoolingDivisor::real;
    return values_of(Model(config, 10, 1, DType::float64).classify(Variable(pooled), nullptr, {}).value());
  };
  const auto actual = [&](PoolingDivisor divisor, std::int64_t value) {
    config.pooling_divisor = divisor;
    config.pooling_divisor_value = value;
    return values_of(Model(config, 10, 1, DType::float64).classify(Variable(hidden), mask, {}).value());
  };
  require_close("real", expected(3, 2), actual(PoolingDivisor::real, 0), {.rel = 1e-13});
  require_close("padded", expected(4, 4), actual(PoolingDivisor::padded, 0), {.rel = 1e-13});
  require_close("a number", expected(7, 7), actual(PoolingDivisor::fixed, 7), {.rel = 1e-13});
}

TEST_CASE("a pair's head sees both texts, and with interaction their product and difference") {
  struct Row {
    PairFeatures features;
    std::size_t width;
  };
  for (const Row& row : {Row{PairFeatures::concat, 16}, Row{PairFeatures::interaction, 32}}) {
    ModelConfig config = small_model(ModelKind::encoder, {}, 10);
    config.pair_features = row.features;
    config.classifier_dim = 5;
    const Model model(config, 10, 1, DType::float64);
    CHECK(shapes_of(model).at("classification_head.dense.weight") == Shape({5, static_cast<std::int64_t>(row.width)}));
    CHECK(shapes_of(model).at("classification_head.out_proj.weight") == Shape({3, 5}));
    const auto parameter = [&](const std::string& name) {
      const auto found = std::ranges::find(model.parameters(), "classification_head." + name, &Parameter::name);
      return values_of(found->variable.value());
    };
    // Two pairs of one token each: pooling leaves them as they are.
    const Tensor hidden = random_tensor({4, 1, 8}, 3, DType::float64);
    const Values h = values_of(hidden), dense = parameter("dense.weight"), out = parameter("out_proj.weight");
    Values expected;
    for (std::size_t pair = 0; pair < 2; ++pair) {
      Values features;
      const auto a = [&](std::size_t i) { return h[pair * 8 + i]; };
      const auto b = [&](std::size_t i) { return h[(pair + 2) * 8 + i]; };
      for (std::size_t i = 0; i < 8; ++i) features.push_back(a(i));
      for (std::size_t i = 0; i < 8; ++i) features.push_back(b(i));
      for (std::size_t i = 0; i < 8; ++i) features.push_back(a(i) * b(i));
      for (std::size_t i = 0; i < 8; ++i) features.push_back(a(i) - b(i));
      Values inner(5, 0.0);
      for (std::size_t j = 0; j < 5; ++j) {
        for (std::size_t i = 0; i < row.width; ++i) inner[j] += dense[j * row.width + i] * features[i];
        inner[j] = std::max(inner[j], 0.0);
      }
      for (std::size_t c = 0; c < 3; ++c) {
        double score = 0;
        for (std::size_t j = 0; j < 5; ++j) score += out[c * 5 + j] * inner[j];
        expected.push_back(score);
      }
    }
    require_close("scores", expected, values_of(model.classify(Variable(hidden), nullptr, {}).value()), {.rel = 1e-12});
    CHECK_THROWS_AS(model.classify(Variable(random_tensor({3, 1, 8}, 3, DType::float64)), nullptr, {}), ShapeError);
  }
}

TEST_CASE("a config that fits no model is refused with its key") {
  const auto message = [](auto&& change) {
    ModelConfig config = config_of(ModelKind::decoder);
    change(config);
    return input_error_of([&] { Model(config, 10, 1); });
  };
  CHECK(message([](ModelConfig& c) { c.num_heads = 3; }) == "model.num_heads: expected a divisor of embed_dim = 8, found 3");
  CHECK(message([](ModelConfig& c) { c.num_heads = 0; }) == "model.num_heads: expected at least 1, found 0");
  CHECK(message([](ModelConfig& c) { c.embed_dim = 0; }) == "model.embed_dim: expected at least 1, found 0");
  CHECK(message([](ModelConfig& c) { c.ffn_dim = -1; }) == "model.ffn_dim: expected at least 1, found -1");
  CHECK(message([](ModelConfig& c) { c.vocab_size = 0; }) == "model.vocab_size: expected at least 1, found 0");
  CHECK(message([](ModelConfig& c) { c.max_length = 0; }) == "model.max_length: expected at least 1, found 0");
  CHECK(message([](ModelConfig& c) { c.num_layers = -1; }) == "model.num_layers: expected at least 0, found -1");
  CHECK(message([](ModelConfig& c) { c.dropout = 1; }) == "model.dropout: expected a value in [0, 1), found 1");
  CHECK(message([](ModelConfig& c) { c.dropout = std::nan(""); }).find("model.dropout: ") == 0);
  CHECK(message([](ModelConfig& c) { c.num_classes = 2; }) ==
        "model.num_classes: only an encoder has a classification head");
  CHECK(message([](ModelConfig& c) { c.attention.kind = "softmx"; }).find("attention.kind: ") == 0);
}

TEST_CASE("a model refuses what its kind does not have") {
  const Model decoder(config_of(ModelKind::decoder), 10, 1), encoder(config_of(ModelKind::encoder), 10, 1);
  const Tensor ids = random_ids({1, 4}, 1, 13);
  CHECK_THROWS_AS(decoder.encode(ids, nullptr, {}), Error);
  CHECK_THROWS_AS(encoder.decode(ids, nullptr, {}, {}), Error);
  CHECK_THROWS_AS(encoder.classify(encoder.encode(ids, nullptr, {}), nullptr, {}), Error);
  CHECK_THROWS_AS(decoder.decode(ids.reshape({4}), nullptr, {}, {}), ShapeError);
}

}  // namespace cosformer::test
