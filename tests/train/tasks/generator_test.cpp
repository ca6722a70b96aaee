#include "train/tasks/generator.h"

#include <algorithm>
#include <cmath>
#include <utility>

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
std::vector<double> shares(const std::vector<float>& logits, double temperature, std::int64_t top_k, double top_p = 1) {
  constexpr int kDraws = 100000;
  std::vector<double> result(logits.size());
  for (int i = 0; i < kDraws; ++i) {
    result[static_cast<std::size_t>(sample_token(logits, {.temperature = temperature, .top_k = top_k, .top_p = top_p},
                                                 (i + 0.5) / kDraws))] += 1.0 / kDraws;
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

TEST_CASE("with top_p the likeliest tokens are drawn that together have the share") {
  // Probabilities 0.5, 0.25, 0.15, 0.1.
  const std::vector<float> logits = {std::log(0.15F), std::log(0.5F), std::log(0.1F), std::log(0.25F)};
  const auto close = [](const std::vector<double>& actual, const std::vector<double>& expected) {
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(actual[i] - expected[i]) < 1e-4);
  };
  close(shares(logits, 1, 0, 0.49), {0, 1, 0, 0});
  close(shares(logits, 1, 0, 0.51), {0, 2 / 3.0, 0, 1 / 3.0});
  close(shares(logits, 1, 0, 0.76), {0.15 / 0.9, 0.5 / 0.9, 0, 0.25 / 0.9});
  close(shares(logits, 1, 0, 1), {0.15, 0.5, 0.1, 0.25});
  close(shares(logits, 1, 0, 1e-300), {0, 1, 0, 0});
  // The share is one of what top_k leaves: 0.5 and 0.25 of 0.75.
  close(shares(logits, 1, 2, 0.66), {0, 1, 0, 0});
  close(shares(logits, 1, 2, 0.67), {0, 2 / 3.0, 0, 1 / 3.0});
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
  CHECK(sample_token(std::vector<float>{0, 5, 5}, {.temperature = 0}, 0.9) == 1);
}

TEST_CASE("the likeliest token wins at temperature zero and among one") {
  const std::vector<float> logits = {-3.0F, 7.5F, 7.4F, -1e30F};
  for (const double uniform : {0.0, 0.3, 0.9999999999999999}) {
    CHECK(sample_token(logits, {.temperature = 0}, uniform) == 1);
    CHECK(sample_token(logits, {.temperature = 5, .top_k = 1}, uniform) == 1);
    CHECK(sample_token(logits, {.temperature = 1, .top_p = 0.5}, uniform) == 1);
  }
  CHECK(sample_token(logits, {.temperature = 1e-9}, 0.9999999999999999) == 1);
  CHECK(sample_token(std::vector<float>{0, 0, 0}, {}, 0.9999999999999999) == 2);
  CHECK(sample_token(std::vector<float>{0, 0, 0}, {}, 0.0) == 0);
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

TEST_CASE("a prompt that is read in parts is read as a whole") {
  const ThreadCountScope one_thread(1);
  std::vector<std::int32_t> prompt;
  for (const double x : random_values<double>(50, 3, 0, 13)) prompt.push_back(static_cast<std::int32_t>(x));
  const std::int64_t count = std::ssize(prompt);
  for (const char* kind : {"cosformer", "local", "linear", "cosformer2", "delta"}) {
    // The last leaves next to nothing of a key behind it, and its state goes on token by token.
    const std::pair<const char*, double> reweightings[] = {{"none", 0}, {"decay", 0}, {"decay", 1e-9}};
    for (const auto& [reweighting, decay] : reweightings) {
      CAPTURE(kind, reweighting, decay);
      AttentionConfig attention{.kind = kind, .feature_map = "elu", .reweighting = reweighting, .chunk_size = 3};
      attention.decay = decay;
      attention.short_convolution = 2;
      ModelConfig config = generating_model(attention, count);
      config.positions = Positions::rope;
      const Model model(config, 12);
      const Tensor ids = Tensor::from<std::int32_t>({1, count}, std::span<const std::int32_t>(prompt));
      const Values logits = values_of(model.logits(model.decode(ids, nullptr, {}, {}), {}).value());
      const auto last = logits.end() - 13;
      CHECK(generate(model, prompt, {.tokens = 1, .temperature = 0}).tokens.front() ==
            static_cast<std::int32_t>(std::max_element(last, logits.end()) - last));
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
  CHECK(message({1, 2, 3}, 60).empty());
  CHECK(input_error_of([&] { generate(model, std::vector<std::int32_t>{1}, {.window = 9}); }) ==
        "--window: expected at most 8, the positions that the model has parameters for (model.max_length), found 9");
}

TEST_CASE("behind the last learned position a text goes on from the last half of its window") {
  const ThreadCountScope one_thread(1);
  constexpr std::int64_t kLength = 8, kTokens = 29;
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    CAPTURE(variant.name);
    const Model model(generating_model(variant.config, kLength), 12);
    for (const std::size_t prompt_length : {std::size_t{1}, std::size_t{5}, std::size_t{8}, std::size_t{20}}) {
      std::vector<std::int32_t> text;
      for (std::size_t i = 0; i < prompt_length; ++i) text.push_back(static_cast<std::int32_t>(i * 5 % 13));
      const GeneratedText generated = generate(model, text, {.tokens = kTokens, .temperature = 0});
      REQUIRE(generated.tokens.size() == kTokens);
      CHECK(generated.slides > 4);
      // Each token is the likeliest after a whole pass over what the window holds.
      std::size_t in_view = std::min<std::size_t>(prompt_length, kLength);
      for (const std::int32_t token : generated.tokens) {
        const std::vector<std::int32_t> seen(text.end() - static_cast<std::ptrdiff_t>(in_view), text.end());
        const auto count = static_cast<std::int64_t>(seen.size());
        const Tensor ids = Tensor::from<std::int32_t>({1, count}, std::span<const std::int32_t>(seen));
        const Variable hidden = model.decode(ids, nullptr, {}, {});
        const Values scores = values_of(model.logits(narrow(hidden, 1, count - 1, 1), {}).value());
        CHECK(scores[static_cast<std::size_t>(token)] >= *std::ranges::max_element(scores) - 1e-4);
        text.push_back(token);
        in_view = in_view == kLength ? kLength / 2 : in_view + 1;
      }
    }
  }
}

TEST_CASE("without learned positions a text has no end unless a window is asked for") {
  ModelConfig config = generating_model({}, 8);
  config.positions = Positions::none;
  const Model model(config, 12);
  const std::vector<std::int32_t> prompt = {3};
  CHECK(generate(model, prompt, {.tokens = 40}).slides == 0);
  CHECK(generate(model, prompt, {.tokens = 40, .window = 40}).slides == 0);
  CHECK(generate(model, prompt, {.tokens = 41, .window = 39}).slides == 1);
  CHECK(generate(model, prompt, {.tokens = 5, .window = 1}).slides == 4);
}

TEST_CASE("an attention with parameters for positions reads a long text in a window") {
  for (const char* kind : {"sinkhorn", "synthesizer"}) {
    CAPTURE(kind);
    ModelConfig config = generating_model({.kind = kind, .sinkhorn_block = 4}, 8);
    config.positions = Positions::rope;
    CHECK(is_bounded(config));
    CHECK(generate(Model(config, 12), std::vector<std::int32_t>{3}, {.tokens = 30}).slides > 0);
  }
}

TEST_CASE("whoever is told the tokens may end the text") {
  const Model model(generating_model({}, 8), 12);
  const std::vector<std::int32_t> prompt = {3};
  std::vector<std::int32_t> told;
  const GeneratedText text = generate(model, prompt, {.tokens = 30}, [&](std::int32_t token) {
    told.push_back(token);
    return told.size() < 4;
  });
  CHECK(told.size() == 4);
  CHECK(text.tokens == told);
}

}  // namespace cosformer::test
