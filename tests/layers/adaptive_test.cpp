#include "layers/adaptive.h"

#include <algorithm>
#include <cmath>

#include "autograd/backward.h"
#include "core/error.h"
#include "layers/model.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

namespace {

/// Bands of 4, 6 and 7 tokens with vectors 8, 4 and 2 wide.
ModelConfig banded_model() {
  ModelConfig config;
  config.num_layers = 1;
  config.embed_dim = 8;
  config.num_heads = 2;
  config.ffn_dim = 12;
  config.vocab_size = 17;
  config.max_length = 10;
  config.adaptive_cutoffs = {4, 10};
  config.adaptive_factor = 2;
  return config;
}

std::vector<std::string> vocabulary_parameters(const ModelConfig& config) {
  std::vector<std::string> names;
  const Model model(config, 1);
  for (const Parameter& parameter : model.parameters()) {
    const bool of_vocabulary = parameter.name.find("embeddings.") != std::string::npos ||
                               parameter.name.find("adaptive_softmax") != std::string::npos;
    if (of_vocabulary) names.push_back(parameter.name + " " + concat(parameter.variable.shape()));
  }
  return names;
}

Tensor tokens(const Shape& shape, std::vector<std::int32_t> values) {
  return Tensor::from<std::int32_t>(shape, std::span<const std::int32_t>(values));
}

/// Every tying that there is.
std::vector<ModelConfig> tyings() {
  std::vector<ModelConfig> configs(3, banded_model());
  configs[0].tie_embeddings = false;
  configs[2].tie_adaptive_projections = true;
  return configs;
}

}  // namespace

TEST_CASE("parameters of a vocabulary in bands have fairseq's names and shapes, and what is tied exists once") {
  const std::vector<std::string> input = {
      "decoder.embed_tokens.embeddings.0.0.weight [4, 8]", "decoder.embed_tokens.embeddings.0.1.weight [8, 8]",
      "decoder.embed_tokens.embeddings.1.0.weight [6, 4]", "decoder.embed_tokens.embeddings.1.1.weight [8, 4]",
      "decoder.embed_tokens.embeddings.2.0.weight [7, 2]", "decoder.embed_tokens.embeddings.2.1.weight [8, 2]"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> names = input;
    for (const std::string& name : more) names.push_back("decoder.adaptive_softmax." + name);
    return names;
  };
  const std::vector<ModelConfig> configs = tyings();
  CHECK(vocabulary_parameters(configs[0]) == with({"head.weight [6, 8]", "tail.0.0.weight [4, 8]", "tail.0.2.weight [6, 4]",
                                                   "tail.1.0.weight [2, 8]", "tail.1.2.weight [7, 2]"}));
  CHECK(vocabulary_parameters(configs[1]) ==
        with({"head.class_proj.weight [2, 8]", "tail.0.0.weight [4, 8]", "tail.1.0.weight [2, 8]"}));
  CHECK(vocabulary_parameters(configs[2]) == with({"head.class_proj.weight [2, 8]"}));
}

TEST_CASE("probabilities of an adaptive softmax add up to one, and the loss is minus their logarithm") {
  for (const ModelConfig& config : tyings()) {
    CAPTURE(config.tie_embeddings, config.tie_adaptive_projections);
    const Model model(config, 3, DType::float64);
    const Tensor ids = tokens({2, 5}, {0, 3, 4, 9, 10, 16, 5, 1, 12, 2});
    const Pass pass;
    const Variable hidden = model.decode(ids, nullptr, {}, pass);
    const Values scores = values_of(model.logits(hidden, pass).value());
    const std::vector<std::int32_t> targets = {16, 4, 0, -1, 10, 3, 9, 12, -1, 2};
    double expected = 0;
    for (std::size_t row = 0; row < targets.size(); ++row) {
      double sum = 0;
      for (std::size_t v = 0; v < 17; ++v) sum += std::exp(scores[row * 17 + v]);
      CHECK(sum == Approx(1).epsilon(1e-12));
      if (targets[row] >= 0) expected -= scores[row * 17 + static_cast<std::size_t>(targets[row])];
    }
    const double loss = model.token_loss(reshape(hidden, {10, 8}), tokens({10}, targets), 1.0, pass).value().item();
    CHECK(loss == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("a token's probability does not depend on the tokens beside it in the batch") {
  const Model model(banded_model(), 3, DType::float64);
  const Pass pass;
  const auto loss_of = [&](const Variable& hidden, const std::vector<std::int32_t>& targets) {
    return model.token_loss(hidden, tokens({static_cast<std::int64_t>(targets.size())}, targets), 1.0, pass).value().item();
  };
  const Variable hidden(random_tensor({3, 8}, 5, DType::float64));
  const double together = loss_of(hidden, {16, 2, 7});
  double apart = 0;
  for (std::int64_t row = 0; row < 3; ++row)
    apart += loss_of(narrow(hidden, 0, row, 1), {std::vector{16, 2, 7}[static_cast<std::size_t>(row)]});
  CHECK(together == Approx(apart).epsilon(1e-13));
}

TEST_CASE("a band that no token of a batch is in gets no gradient, and an empty batch embeds to nothing") {
  const Model model(banded_model(), 3);
  const Pass pass{.training = true, .record_gradients = true};
  const Variable hidden = model.decode(tokens({1, 3}, {0, 1, 5}), nullptr, {}, pass);
  const Gradients gradients = backward(model.token_loss(reshape(hidden, {3, 8}), tokens({3}, {1, 5, 2}), 1.0, pass));
  for (const Parameter& parameter : model.parameters()) {
    const bool unused =
        parameter.name.find("embeddings.2.") != std::string::npos || parameter.name.find("tail.1.") != std::string::npos;
    CAPTURE(parameter.name);
    CHECK(gradients.of(parameter.variable).defined() == !unused);
  }
  const std::vector<AdaptiveBand>& bands = model.decoder().adaptive_embedding().bands();
  CHECK(adaptive_embedding(bands, Tensor::empty({0, 4}, DType::int32)).shape() == Shape({0, 4, 8}));
}

TEST_CASE("adaptive dropout belongs to training, and reaches the head and the tails") {
  ModelConfig config = banded_model();
  const Model plain(config, 1);
  config.adaptive_dropout = 0.5;
  const Model model(config, 1);
  const Variable hidden(random_tensor({4, 8}, 2, DType::float32));
  const auto loss_of = [&](const Model& of, const std::vector<std::int32_t>& targets, const Pass& pass) {
    return of.token_loss(hidden, tokens({4}, targets), 1.0, pass).value().item();
  };
  const Pass first{.training = true, .seed = 1, .noise_index = 0}, second{.training = true, .seed = 1, .noise_index = 1};
  for (const std::vector<std::int32_t>& targets : {std::vector{0, 1, 2, 3}, std::vector{4, 9, 10, 16}}) {
    CHECK(loss_of(model, targets, Pass()) == loss_of(plain, targets, Pass()));
    CHECK(loss_of(model, targets, first) != loss_of(plain, targets, first));
    CHECK(loss_of(model, targets, first) == loss_of(model, targets, first));
    CHECK(loss_of(model, targets, first) != loss_of(model, targets, second));
  }
}

TEST_CASE("one token after the other gives the hidden states of a whole text, also with a vocabulary in bands") {
  const Model model(banded_model(), 4, DType::float64);
  const std::vector<std::int32_t> ids = {0, 4, 16, 10, 3};
  const Pass pass;
  const Values whole = values_of(model.decode(tokens({1, 5}, ids), nullptr, {}, pass).value());
  DecoderState state = model.decoder().start();
  Values stepwise;
  for (const std::int32_t id : ids) {
    const Values row = values_of(model.decoder().step(tokens({1, 1}, {id}), state));
    stepwise.insert(stepwise.end(), row.begin(), row.end());
  }
  require_close("hidden states", whole, stepwise, {.rel = 1e-10});
}

TEST_CASE("configs of bands that fit no vocabulary are refused with the key") {
  const auto message = [](auto change) {
    ModelConfig config = banded_model();
    change(config);
    return input_error_of([&] { Model(config, 1); });
  };
  CHECK(message([](ModelConfig& config) {
          config.adaptive_cutoffs = {4, 4};
        }) == "model.adaptive_cutoffs: 4 after 4; they must rise from 1 on");
  CHECK(message([](ModelConfig& config) {
          config.adaptive_cutoffs = {4, 17};
        }) == "model.adaptive_cutoffs: 17 must be below the 17 tokens of the vocabulary");
  CHECK(message([](ModelConfig& config) { config.adaptive_factor = 3; }) ==
        "model.adaptive_factor: 3 leaves no width for band 2 of embed_dim 8");
  CHECK(message([](ModelConfig& config) { config.kind = ModelKind::encoder; }) ==
        "model.adaptive_cutoffs: only a decoder has an adaptive softmax");
  CHECK(message([](ModelConfig& config) {
          config.tie_embeddings = false;
          config.tie_adaptive_projections = true;
        }) == "model.tie_adaptive_projections: needs model.tie_embeddings");
}

}  // namespace cosformer::test
