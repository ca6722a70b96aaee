#include <algorithm>

#include "tests/catch.h"
#include "tests/layers/model_support.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

TEST_CASE("dropout belongs to training and to its step") {
  ModelConfig config = config_of(ModelKind::decoder);
  const Model plain(config, 1);
  config.dropout = 0.3;
  const Model model(config, 1);
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
      const Model plain(config, 1);
      (of_weights ? config.attention.dropout : config.activation_dropout) = 0.3;
      const Model model(config, 1);
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

TEST_CASE("a fused feed-forward block drops what its layers one after the other drop") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 10);
  config.activation_dropout = 0.4;
  ParameterStore store(3, DType::float64);
  const FeedForward block(Scope(store, "layer"), config);
  const Norm norm(Scope(store, "norm"), NormKind::layer, config.embed_dim, true);
  const Dropout outer(Scope(store, "layer.fc2"), 0.3);
  const Variable x(random_tensor({2, 5, config.embed_dim}, 1, DType::float64));
  for (const bool training : {true, false}) {
    const Pass pass{.training = training, .seed = 5, .noise_index = 2};
    const Variable apart = add(x, outer.forward(block.forward(norm.forward(x, pass), pass), pass));
    require_close("block", values_of(apart.value()), values_of(block.forward_residual(x, norm, outer, pass).value()),
                  {.rel = 1e-12});
  }
}

TEST_CASE("the stored and the tiled softmax drop the same weights") {
  ModelConfig config = config_of(ModelKind::decoder);
  config.attention.dropout = 0.4;
  const auto hidden = [&](const char* kind) {
    config.attention.kind = kind;
    const Model model(config, 1, DType::float64);
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
    CHECK(input_error_of([&] { Model(config, 1); }) ==
          "attention.dropout: linear attention has no matrix of weights to drop from; expected 0, found 0.1");
  }
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

}  // namespace cosformer::test
