#include "train/tasks/translation.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "data/tokenizers/registry.h"
#include "data/translation_batches.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"
#include "tests/train/evaluation_names.h"
#include "tests/train/loop/step_gradients.h"
#include "tests/train/loop/step_values.h"
#include "tests/train/run_support.h"
#include "train/optimizers/optimizer.h"
#include "train/tasks/translation/translator.h"

namespace cosformer::test {

namespace {

/// Pairs of words of four letters, and their reverses.
struct Problem {
  explicit Problem(const AttentionConfig& attention = {}, DType dtype = DType::float32, std::int64_t embed_dim = 8) {
    std::string source, target;
    for (const double x : random_values<double>(60, 3, 0, 1e6)) {
      std::string word;
      for (auto rest = static_cast<std::int64_t>(x), i = std::int64_t{0}; i < 1 + rest % 5; ++i) {
        word += static_cast<char>('a' + rest / (i + 1) % 4);
      }
      source += word + '\n';
      target += std::string(word.rbegin(), word.rend()) + '\n';
    }
    write_bytes(folder / "text.src", source);
    write_bytes(folder / "text.tgt", target);
    config.task.name = "translation";
    config.task.train = config.task.valid = (folder / "text").string();
    config.task.tokenizer = "char";
    config.task.seq_len = 12;
    config.task.label_smoothing = 0.2;
    config.train.batch_size = 8;
    config.model = small_model(ModelKind::encoder_decoder, attention, 0);
    config.model.vocab_size = 0;
    config.model.embed_dim = embed_dim;
    tokenizer = train_tokenizer("char", source + target);
    task = make_translation(config, tokenizer);
    config.model = task->complete(config.model);
    model = std::make_unique<Model>(config.model, 1, dtype);
  }

  TemporaryFolder folder;
  Config config;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;
};

SentencePairs pairs_of(const Problem& problem) {
  const ParallelFiles files = find_parallel_files(problem.config.task.train, "src", "tgt");
  return tokenize_parallel_text(load_parallel_text(files), files, *problem.tokenizer, problem.config.task.seq_len,
                                UnfitSentences::leave_out);
}

Tensor row_of(const std::vector<std::int32_t>& ids) {
  return Tensor::from<std::int32_t>({1, static_cast<std::int64_t>(ids.size())}, std::span<const std::int32_t>(ids));
}

/// log P of each token of the vocabulary behind each beginning of `target`, with the sentence alone: [T][V].
std::vector<Values> log_probabilities(const Problem& problem, const std::vector<std::int32_t>& source,
                                      const std::vector<std::int32_t>& target) {
  std::vector<std::int32_t> read = {TranslationTokens(problem.tokenizer->vocab_size()).begin};
  read.insert(read.end(), target.begin(), target.end() - 1);
  const Model& model = *problem.model;
  const Values logits = values_of(
      model.logits(model.decode(row_of(read), nullptr, {model.encode(row_of(source), nullptr, {}), nullptr}, {}), {})
          .value());
  const auto vocab = static_cast<std::size_t>(model.config().vocab_size);
  std::vector<Values> rows;
  for (std::size_t t = 0; t < target.size(); ++t) {
    Values row(logits.begin() + static_cast<std::ptrdiff_t>(t * vocab),
               logits.begin() + static_cast<std::ptrdiff_t>((t + 1) * vocab));
    double sum = 0;
    for (const double z : row) sum += std::exp(z);
    for (double& z : row) z -= std::log(sum);
    rows.push_back(std::move(row));
  }
  return rows;
}

void train(Problem& problem, std::int64_t steps) {
  Optimizer optimizer(problem.config.optimizer, problem.model->parameters());
  for (std::int64_t step = 1; step <= steps; ++step) {
    const StepGradients result = compute_step_gradients(*problem.task, *problem.model, problem.config.train, step);
    optimizer.update(problem.model->parameters(), result.gradients, {step, 0.01, 1.0});
  }
}

}  // namespace

TEST_CASE("the loss of a batch is that of its pairs alone, smoothed; the evaluation's is not smoothed") {
  const Problem problem({}, DType::float64);
  const SentencePairs pairs = pairs_of(problem);
  const TranslationTokens special(problem.tokenizer->vocab_size());
  const TranslationBatch chosen = TranslationBatches(pairs, special, 8, 1).training_batch(8, 8);
  const auto batch = problem.task->training_batch(8, 8);
  double smoothed = 0, plain = 0;
  const auto sum_of = [&](std::int64_t pair, double smoothing) {
    const auto& target = pairs.target[static_cast<std::size_t>(pair)];
    const auto rows = log_probabilities(problem, pairs.source[static_cast<std::size_t>(pair)], target);
    double sum = 0;
    for (std::size_t t = 0; t < target.size(); ++t) {
      double mean = 0;
      for (const double each : rows[t]) mean += each / static_cast<double>(rows[t].size());
      sum -= (1 - smoothing) * rows[t][static_cast<std::size_t>(target[t])] + smoothing * mean;
    }
    return sum;
  };
  for (const std::int64_t pair : chosen.pairs) smoothed += sum_of(pair, 0.2);
  CHECK(batch->targets == chosen.target_tokens);
  CHECK(batch->loss(*problem.model, {0, 8}, 0.5, {}).value().item() == Approx(0.5 * smoothed).epsilon(1e-10));
  const double parts = batch->loss(*problem.model, {0, 3}, 1.0, {}).value().item() +
                       batch->loss(*problem.model, {3, 5}, 1.0, {}).value().item();
  CHECK(parts == Approx(smoothed).epsilon(1e-10));

  std::int64_t tokens = 0;
  for (std::int64_t pair = 0; pair < pairs.size(); ++pair) {
    plain += sum_of(pair, 0.0);
    tokens += static_cast<std::int64_t>(pairs.target[static_cast<std::size_t>(pair)].size());
  }
  const Evaluation result = problem.task->evaluate(*problem.model, Split::valid, 0);
  CHECK(names_of(result) == task_metrics("translation"));
  CHECK(result.value("tokens") == static_cast<double>(tokens));
  CHECK(result.value("loss") == Approx(plain / static_cast<double>(tokens)).epsilon(1e-6));
  CHECK(result.value("perplexity") == Approx(std::exp(result.value("loss"))));
}

TEST_CASE("a wide beam over a model finds the likeliest translation of all, as exhaustive search does") {
  const ThreadCountScope one_thread(1);
  for (const char* kind : {"softmax", "cosformer"}) {
    AttentionConfig attention;
    attention.kind = kind;
    Problem problem(attention);
    // A model that is sure of something: else the shortest translation is always the likeliest.
    train(problem, 40);
    DecodingConfig decoding;
    decoding.beam = 200;
    decoding.max_length_ratio = 0;
    decoding.max_length_extra = 4;
    const std::int64_t letters = problem.tokenizer->vocab_size();
    const std::int32_t end = TranslationTokens(letters).end;
    const Translator translator(*problem.model, *problem.tokenizer, decoding, problem.config.task.seq_len);
    for (const char* text : {"abcd", "dd aa"}) {
      // No shorter than what is written: nothing is unknown about M then.
      const std::vector<std::int32_t> source = source_sentence(text, *problem.tokenizer, 12);
      Hypothesis best;
      best.score = -1e9;
      const std::function<void(std::vector<std::int32_t>, double)> visit = [&](std::vector<std::int32_t> beginning,
                                                                               double sum) {
        beginning.push_back(end);
        const Values next = log_probabilities(problem, source, beginning).back();
        const double ended = sum + next[static_cast<std::size_t>(end)];
        if (const double score = ended / static_cast<double>(beginning.size()); score > best.score)
          best = {beginning, ended, score};
        if (beginning.size() == 4) return;
        for (std::int32_t token = 0; token < letters; ++token) {
          beginning.back() = token;
          visit(beginning, sum + next[static_cast<std::size_t>(token)]);
        }
      };
      visit({}, 0);
      CAPTURE(kind, text, letters);
      const std::vector<std::vector<std::int32_t>> sources = {source};
      const Hypothesis found = translator.translate_tokens(sources).at(0);
      CHECK(found.tokens == best.tokens);
      CHECK(found.score == Approx(best.score).epsilon(1e-4));
    }
  }
}

TEST_CASE("translations are the same on any number of threads and in any company, and no longer than allowed") {
  Problem problem({}, DType::float32, 16);
  train(problem, 30);
  DecodingConfig decoding;
  decoding.beam = 3;
  decoding.max_length_ratio = 0.5;
  decoding.max_length_extra = 2;
  const Translator translator(*problem.model, *problem.tokenizer, decoding, problem.config.task.seq_len);
  const std::vector<std::vector<std::int32_t>> sources = pairs_of(problem).source;
  require_same_bits_on_any_threads("translations", [&] {
    std::vector<std::int32_t> all;
    for (const Hypothesis& each : translator.translate_tokens(sources))
      all.insert(all.end(), each.tokens.begin(), each.tokens.end());
    return all;
  });
  const auto together = translator.translate_tokens(sources);
  for (std::size_t i = 0; i < sources.size(); i += 7) {
    const auto alone = translator.translate_tokens(std::span(sources).subspan(i, 1));
    CHECK(alone.at(0).tokens == together[i].tokens);
  }
  for (std::size_t i = 0; i < sources.size(); ++i) CHECK(together[i].tokens.size() <= sources[i].size() / 2 + 2);
  require_same_bits_on_any_threads("gradients",
                                   [&] { return step_values(*problem.task, *problem.model, problem.config.train, 2); });
}

TEST_CASE("short words are learnt to be reversed, and the evaluation says so") {
  AttentionConfig softmax;
  softmax.kind = "softmax";
  Problem problem(softmax, DType::float32, 32);
  problem.config.train.batch_size = 20;
  problem.config.task.label_smoothing = 0;
  problem.task = make_translation(problem.config, problem.tokenizer);
  const Evaluation before = problem.task->evaluate(*problem.model, Split::valid, 0);
  CHECK(before.value("sentences") == 60);
  train(problem, 250);
  const Evaluation after = problem.task->evaluate(*problem.model, Split::valid, 0);
  CHECK(after.value("loss") < 0.3 * before.value("loss"));
  CHECK(after.value("exact") > 0.8);
  CHECK(selection_metric_of("translation") == "bleu");
  CHECK(higher_is_better("bleu"));
  // Of 60 sentences in batches of 20 the first 20.
  CHECK(problem.task->evaluate(*problem.model, Split::valid, 1).value("sentences") == 20);
}

TEST_CASE("a translation needs an encoder and a decoder, its texts, and room for its special tokens") {
  Problem problem;
  const std::int64_t letters = problem.tokenizer->vocab_size();
  CHECK(problem.config.model.vocab_size == letters + 3);
  CHECK(problem.config.model.max_length == 12);
  // M of the decoder's attention to itself stays that of the training.
  CHECK(problem.config.model.attention.self_reweighting_length == 12);
  CHECK(problem.config.model.attention.cross_reweighting_length == 12);
  Config config = problem.config;
  config.model.vocab_size = letters + 2;
  CHECK(input_error_of([&] { make_task(config)->complete(config.model); }).starts_with("model.vocab_size: "));
  config = problem.config;
  config.model.kind = ModelKind::decoder;
  CHECK(input_error_of([&] { make_task(config); }) == "model.kind: translation needs \"encoder_decoder\"");
  config = problem.config;
  config.task.valid.clear();
  CHECK(input_error_of([&] { make_task(config)->evaluate(*problem.model, Split::valid, 0); }) ==
        "task.valid: the config names no text for this split");
  config.task.train = (problem.folder / "none").string();
  CHECK(input_error_of([&] { make_task(config); }).starts_with("task.train: " + config.task.train + ".src: no such file"));
}

}  // namespace cosformer::test
