#include "layers/model.h"

#include <cmath>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/layers/model_support.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

TEST_CASE("scaled embeddings are those of a table sqrt(embed_dim) times as large") {
  ModelConfig config = config_of(ModelKind::decoder);
  config.tie_embeddings = false;
  const Model plain(config, 1, DType::float64);
  config.scale_embeddings = true;
  const Model scaled(config, 1, DType::float64);
  const Tensor ids = random_ids({2, 10}, 1, config.vocab_size);
  Tensor table = plain.decoder().embedding_weight().value();
  for (double& x : table.span<double>()) x *= std::sqrt(static_cast<double>(config.embed_dim));
  require_close("hidden states", values_of(plain.decode(ids, nullptr, {}, {}).value()),
                values_of(scaled.decode(ids, nullptr, {}, {}).value()), {.rel = 1e-10});
}

TEST_CASE("a model without a final norm ends with what its last layer gives") {
  ModelConfig config = config_of(ModelKind::decoder);
  const Model with(config, 1, DType::float64);
  config.final_norm = false;
  const Model without(config, 1, DType::float64);
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

TEST_CASE("a config that fits no model is refused with its key") {
  const auto message = [](auto&& change) {
    ModelConfig config = config_of(ModelKind::decoder);
    change(config);
    return input_error_of([&] { Model(config, 1); });
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
  const Model decoder(config_of(ModelKind::decoder), 1), encoder(config_of(ModelKind::encoder), 1);
  const Tensor ids = random_ids({1, 4}, 1, 13);
  CHECK_THROWS_AS(decoder.encode(ids, nullptr, {}), Error);
  CHECK_THROWS_AS(encoder.decode(ids, nullptr, {}, {}), Error);
  CHECK_THROWS_AS(encoder.classify(encoder.encode(ids, nullptr, {}), nullptr, {}), Error);
  CHECK_THROWS_AS(decoder.decode(ids.reshape({4}), nullptr, {}, {}), ShapeError);
}

}  // namespace cosformer::test
