#include "train/tasks/language_modeling.h"

#include <cmath>

#include "data/text_corpus.h"
#include "data/tokenizers/registry.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/train/evaluation_names.h"
#include "tests/train/run_support.h"
#include "train/tasks/generator.h"
#include "train/tasks/text_stream.h"

namespace cosformer::test {

namespace {

const std::string kText = "In the beginning was the word,\nand the word was with the reader.\n";

/// A model of bytes in two bands that is far from uniform.
Config tiny_config(const TemporaryFolder& folder, std::int64_t context_window) {
  write_bytes(folder / "text", kText);
  Config config;
  config.task.train = config.task.valid = (folder / "text").string();
  config.task.seq_len = 12;
  config.task.context_window = context_window;
  config.train.batch_size = 3;
  config.model = small_model(ModelKind::decoder, {}, 12);
  config.model.vocab_size = 256;
  config.model.adaptive_cutoffs = {100, 115};
  config.model.adaptive_factor = 2;
  return config;
}

/// Σ -log p of all targets, each from the model's scores for the window that is to score it.
double expected_loss(const Model& model, const std::vector<std::int32_t>& tokens, std::int64_t seq_len,
                     std::int64_t context) {
  const auto targets = static_cast<std::int64_t>(tokens.size()) - 1;
  double sum = 0;
  std::int64_t scored = 0;
  for (std::int64_t begin = 0; scored < targets; begin += seq_len - context) {
    const std::int64_t end = std::min(begin + seq_len, targets);
    const std::vector<std::int32_t> inputs(tokens.begin() + begin, tokens.begin() + end);
    const Tensor ids = Tensor::from<std::int32_t>({1, end - begin}, std::span<const std::int32_t>(inputs));
    const Values scores = values_of(model.logits(model.decode(ids, nullptr, {}, {}), {}).value());
    for (; scored < end; ++scored) {
      const auto row = static_cast<std::size_t>(scored - begin) * 256;
      double total = 0;
      for (std::size_t v = 0; v < 256; ++v) total += std::exp(scores[row + v]);
      sum += std::log(total) - scores[row + static_cast<std::size_t>(tokens[static_cast<std::size_t>(scored) + 1])];
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("an evaluation that carries its state on scores a text in windows as in one") {
  for (const char* kind : {"softmax", "local", "linear", "gated", "gated_delta", "cosformer2"}) {
    CAPTURE(kind);
    const TemporaryFolder folder;
    Config config = tiny_config(folder, 0);
    config.model.positions = Positions::none;
    config.model.attention.kind = kind;
    config.model.attention.feature_map = "elu";
    config.model.attention.window = 9;
    config.task.carry_state = true;
    const auto task = make_task(config);
    const Model model(task->complete(config.model), 3, DType::float64);
    const Evaluation carried = task->evaluate(model, Split::valid, 0);
    config.task.carry_state = false;
    const Evaluation windows = make_task(config)->evaluate(model, Split::valid, 0);
    config.task.seq_len = std::ssize(kText);
    const Evaluation whole = make_task(config)->evaluate(model, Split::valid, 0);
    CHECK(carried.value("loss") == Approx(whole.value("loss")).epsilon(1e-10));
    CHECK(carried.value("tokens") == whole.value("tokens"));
    CHECK(std::abs(windows.value("loss") - whole.value("loss")) > 1e-4);
  }
}

TEST_CASE("a state that is carried on refuses what it cannot be had with") {
  const TemporaryFolder folder;
  Config config = tiny_config(folder, 0);
  config.task.carry_state = true;
  config.model.positions = Positions::rope;
  const auto refused = [](const Config& own) {
    return input_error_of([&] { make_language_modeling(own); }).starts_with("task.carry_state:");
  };
  CHECK_NOTHROW(make_language_modeling(config));
  Config learned = config, overlapping = config, cut = config;
  learned.model.positions = Positions::learned;
  overlapping.task.context_window = 3;
  cut.train.eval_max_batches = 2;
  for (const Config& own : {learned, overlapping, cut}) CHECK(refused(own));
}

TEST_CASE("an evaluation scores each token once, behind as much context as the config asks for") {
  for (const std::int64_t context : {0, 1, 5, 11}) {
    CAPTURE(context);
    const TemporaryFolder folder;
    const Config config = tiny_config(folder, context);
    const auto task = make_language_modeling(config);
    const Model model(task->complete(config.model), 3);
    const auto tokenizer = load_tokenizer("byte", {});
    const std::vector<std::int32_t> tokens = tokenizer->encode(kText);
    const Evaluation result = task->evaluate(model, Split::valid, 0);
    CHECK(test::names_of(result) == task_metrics("language_modeling"));
    CHECK(result.value("tokens") == static_cast<double>(tokens.size() - 1));
    const double nats = expected_loss(model, tokens, 12, context);
    CHECK(result.value("loss") == Approx(nats / static_cast<double>(tokens.size() - 1)).epsilon(1e-5));
    // 13 words and two ends of lines.
    CHECK(result.value("word_perplexity") == Approx(std::exp(nats / 15)).epsilon(1e-4));
  }
}

TEST_CASE("a language model continues a prompt as generate does, and a prompt without tokens is refused at once") {
  const TemporaryFolder folder;
  Config config = tiny_config(folder, 0);
  const auto task = make_language_modeling(config);
  const Model model(task->complete(config.model), 3);
  const std::string text = task->write_sample(model, "the", 30).value();
  CHECK(text == task->write_sample(model, "the", 30).value());
  CHECK(text.starts_with(task->write_sample(model, "the", 9).value().substr(0, 5)));
  const std::vector<std::int32_t> prompt = {'t', 'h', 'e'};
  const GeneratedText tokens =
      generate(model, prompt,
               {.tokens = 30, .temperature = 0.8, .seed = static_cast<std::uint64_t>(config.train.seed), .vocab_size = 256});
  const auto bytes = load_tokenizer("byte", {});
  TextStream stream(*bytes, std::nullopt, {});
  std::string expected;
  for (const std::int32_t token : tokens.tokens) expected += stream.add(token);
  CHECK(text == expected + stream.finish());
  config.logging.sample_prompt = "   ";
  config.task.tokenizer = "word";
  CHECK(input_error_of([&] { make_language_modeling(config); }) == "logging.sample_prompt: the text has no tokens");
}

}  // namespace cosformer::test
