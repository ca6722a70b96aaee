#include <cmath>

#include "autograd/backward.h"
#include "tests/catch.h"
#include "tests/layers/model_support.h"
#include "tests/support/layer_cases.h"

namespace cosformer::test {

namespace {

Shapes with(Shapes base, const Shapes& more) {
  base.insert(more.begin(), more.end());
  return base;
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
  const auto shapes = [](const ModelConfig& config) { return shapes_of(Model(config, 1)); };
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
    const Model model(config, 1);
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
      const Model model(config, 1);
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
    const Model model(config, seed);
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
  const Model tied(config, 1);
  CHECK(tied.output_weight().node() == tied.decoder().embedding_weight().node());
  config.tie_embeddings = false;
  const Model untied(config, 1);
  CHECK(untied.output_weight().node() != untied.decoder().embedding_weight().node());
  CHECK(values_of(untied.output_weight().value()) != values_of(untied.decoder().embedding_weight().value()));
}

}  // namespace cosformer::test
