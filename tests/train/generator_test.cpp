#include "train/generator.h"

#include <algorithm>
#include <cmath>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

/// A model whose scores are far enough apart for its tokens to vary.
ModelConfig generating_model(const AttentionConfig& attention, std::int64_t max_length) {
  ModelConfig config = small_model(ModelKind::decoder, attention, max_length);
  config.num_layers = 2;
  config.tie_embeddings = false;
  return config;
}

/// How often each token is drawn by uniforms that are spread evenly over [0, 1).
std::vector<double> shares(const std::vector<float>& logits, double temperature, std::int64_t top_k) {
  constexpr int kDraws = 100000;
  std::vector<double> result(logits.size());
  for (int i = 0; i < kDraws; ++i) {
    result[static_cast<std::size_t>(sample_token(logits, temperature, top_k, (i + 0.5) / kDraws))] += 1.0 / kDraws;
  }
  return result;
}

}  // namespace

TEST_CASE("tokens are drawn from the softmax of their scores over the temperature") {
  const std::vector<float> logits = {0.3F, -1.2F, 2.0F, 0.2F, -4.0F, 1.1F};
  for (const double temperature : {0.5, 1.0, 3.0}) {
    for (const std::int64_t top_k : {0, 1, 2, 3, 6, 100}) {
      std::vector<float> sorted = logits;
      std::ranges::sort(sorted, std::greater());
      const std::size_t kept =
          top_k > 0 ? std::min<std::size_t>(static_cast<std::size_t>(top_k), logits.size()) : logits.size();
      const float least = sorted[kept - 1];
      double sum = 0;
      std::vector<double> expected;
      for (const float logit : logits) {
        expected.push_back(logit >= least ? std::exp(static_cast<double>(logit) / temperature) : 0.0);
        sum += expected.back();
      }
      const std::vector<double> actual = shares(logits, temperature, top_k);
      for (std::size_t i = 0; i < logits.size(); ++i) {
        CAPTURE(temperature, top_k, i);
        CHECK(std::abs(actual[i] - expected[i] / sum) < 1e-4);
      }
    }
  }
}

TEST_CASE("a model with a vocabulary in bands writes its likeliest tokens, in every band") {
  ModelConfig config = generating_model({}, 40);
  config.adaptive_cutoffs = {3, 7};
  config.adaptive_factor = 2;
  const Model model(config, 2);
  const std::vector<std::int32_t> prompt = {1, 5, 12};
  const GeneratedText text = generate(model, prompt, {.tokens = 20, .temperature = 0});
  std::vector<std::int32_t> ids = prompt;
  for (const std::int32_t token : text.tokens) {
    const auto length = static_cast<std::int64_t>(ids.size());
    const Variable hidden =
        model.decode(Tensor::from<std::int32_t>({1, length}, std::span<const std::int32_t>(ids)), nullptr, {}, {});
    const Values scores = values_of(model.logits(narrow(hidden, 1, length - 1, 1), {}).value());
    REQUIRE(scores.size() == 13);
    CHECK(scores[static_cast<std::size_t>(token)] >= *std::ranges::max_element(scores) - 1e-4);
    ids.push_back(token);
  }
}

TEST_CASE("of equally likely tokens the first ones are kept") {
  CHECK(shares({1, 1, 1}, 1, 2) == shares({1, 1, -1e9F}, 1, 0));
  CHECK(sample_token(std::vector<float>{0, 5, 5}, 0, 0, 0.9) == 1);
}

TEST_CASE("the likeliest token wins at temperature zero and among one") {
  const std::vector<float> logits = {-3.0F, 7.5F, 7.4F, -1e30F};
  for (const double uniform : {0.0, 0.3, 0.9999999999999999}) {
    CHECK(sample_token(logits, 0.0, 0, uniform) == 1);
    CHECK(sample_token(logits, 5.0, 1, uniform) == 1);
  }
  CHECK(sample_token(logits, 1e-9, 0, 0.9999999999999999) == 1);
  CHECK(sample_token(std::vector<float>{0, 0, 0}, 1, 0, 0.9999999999999999) == 2);
  CHECK(sample_token(std::vector<float>{0, 0, 0}, 1, 0, 0.0) == 0);
}

TEST_CASE("generated tokens are the likeliest of a pass over the whole text") {
  const ThreadCountScope one_thread(1);
  const std::int64_t length = 40;
  const std::vector<std::int32_t> prompt = {3, 1, 4, 1, 5};
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    if (!variant.supports().steps) continue;
    CAPTURE(variant.name);
    const Model model(generating_model(variant.config, length), 12);
    const GeneratedText generated = generate(model, prompt, {.tokens = 30, .temperature = 0});
    REQUIRE(generated.tokens.size() == 30);
    CHECK(generated.milliseconds.size() == 30);
    std::vector<std::int32_t> text = prompt;
    text.insert(text.end(), generated.tokens.begin(), generated.tokens.end());
    const auto count = static_cast<std::int64_t>(text.size());
    const Tensor ids = Tensor::from<std::int32_t>({1, count}, std::span<const std::int32_t>(text));
    const Values logits = values_of(model.logits(model.decode(ids, nullptr, {}, {}), {}).value());
    for (std::size_t t = prompt.size(); t < text.size(); ++t) {
      const auto row = logits.begin() + static_cast<std::ptrdiff_t>((t - 1) * 13);
      CHECK(text[t] == static_cast<std::int32_t>(std::max_element(row, row + 13) - row));
    }
  }
}

TEST_CASE("a text is a function of its seed") {
  const Model model(generating_model({}, 40), 12);
  const std::vector<std::int32_t> prompt = {3};
  const auto text = [&](std::uint64_t seed) {
    return generate(model, prompt, {.tokens = 30, .temperature = 2, .seed = seed}).tokens;
  };
  CHECK(text(1) == text(1));
  CHECK(text(1) != text(2));
  require_same_bits_on_any_threads("text", [&] { return text(3); });
  CHECK(generate(model, prompt, {.tokens = 0}).tokens.empty());
}

TEST_CASE("rows of the vocabulary that stand for no token are never drawn") {
  const Model model(generating_model({}, 200), 12);
  const std::vector<std::int32_t> prompt = {3};
  const auto largest = [&](double temperature, std::int64_t vocab_size) {
    const SamplingOptions options{.tokens = 150, .temperature = temperature, .seed = 1, .vocab_size = vocab_size};
    return std::ranges::max(generate(model, prompt, options).tokens);
  };
  CHECK(largest(50, 0) == 12);
  CHECK(largest(50, 4) == 3);
  CHECK(largest(0, 4) <= 3);
  CHECK(largest(50, 99) == 12);
}

TEST_CASE("prompts that a model cannot read are refused") {
  const Model model(generating_model({}, 8), 12);
  const auto message = [&](const std::vector<std::int32_t>& prompt, std::int64_t tokens) {
    return input_error_of([&] { generate(model, prompt, {.tokens = tokens}); });
  };
  CHECK(message({}, 1) == "--prompt: the prompt has no tokens");
  CHECK(message({0, 13}, 1) == "--prompt: token 13 is not in the model's vocabulary of 13");
  CHECK(message({-1}, 1) == "--prompt: token -1 is not in the model's vocabulary of 13");
  CHECK(message({1, 2, 3}, 6).empty());
  CHECK(message({1, 2, 3}, 7) == "model.max_length: 8 learned positions cannot serve a text of 9 tokens");
}

}  // namespace cosformer::test
