#include "train/tasks/language_modeling.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <optional>

#include "core/error.h"
#include "data/language_model_batches.h"
#include "train/tasks/corpora.h"
#include "train/tasks/execution.h"
#include "train/tasks/generator.h"
#include "train/tasks/task_tokenizer.h"
#include "train/tasks/text_stream.h"

namespace cosformer {

namespace {

/// As `cosformer generate` has it unless told otherwise.
constexpr double kSampleTemperature = 0.8;

struct LanguageModelBatch : TaskBatch {
  TokenBatch tokens_by_row;
};

/// Rows [first, first + rows) of a row-major [.., length] array as a tensor.
Tensor rows_of(const std::vector<std::int32_t>& values, std::int64_t length, std::int64_t first, std::int64_t rows) {
  return Tensor::from<std::int32_t>({rows, length}, std::span(values).subspan(static_cast<std::size_t>(first * length),
                                                                              static_cast<std::size_t>(rows * length)));
}

class LanguageModeling : public Task {
 public:
  LanguageModeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer)
      : config_(config), tokenizer_(std::move(tokenizer)) {
    check<InputError>(config.model.kind == ModelKind::decoder, "model.kind: language_modeling needs \"decoder\"");
    // A prompt that cannot be read shows now, not at the first evaluation.
    const std::string& prompt = config.logging.sample_prompt;
    check<InputError>(prompt.empty() || !tokenizer_->encode(prompt).empty(),
                      "logging.sample_prompt: the text has no tokens");
    corpora_ = load_corpora(config.task, *tokenizer_);
  }

  ModelConfig with_data(ModelConfig model) const override {
    const std::int64_t vocab_size = tokenizer_->vocab_size();
    check<InputError>(model.vocab_size == 0 || model.vocab_size >= vocab_size, "model.vocab_size: ", model.vocab_size,
                      " is less than the tokenizer's ", vocab_size);
    if (model.vocab_size == 0) model.vocab_size = vocab_size;
    if (model.max_length == 0) model.max_length = config_.task.seq_len;
    return model;
  }

  TextLengths lengths() const override { return {.seq_len = config_.task.seq_len}; }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    auto batch = std::make_unique<LanguageModelBatch>();
    batch->tokens_by_row = batches(Split::train).batch(first, rows);
    batch->rows = rows;
    batch->targets = batch->tokens = batch->tokens_by_row.predicted;
    return batch;
  }

  DataPosition position_of(std::int64_t sequence) const override {
    const std::int64_t in_epoch = batches(Split::train).sequences_in_epoch();
    return {sequence / in_epoch, sequence % in_epoch};
  }

  Variable loss(const Model& model, const TaskBatch& batch, std::int64_t first_row, std::int64_t rows, double factor,
                const Pass& pass) const override {
    const TokenBatch& tokens = static_cast<const LanguageModelBatch&>(batch).tokens_by_row;
    return window_loss(model, tokens, first_row, rows, factor, pass);
  }

  std::optional<Evaluation> evaluate(const Model& model, Split split, std::int64_t max_batches,
                                     const EvaluationStop& stop) const override {
    const auto start = std::chrono::steady_clock::now();
    const LanguageModelBatches windows = batches(split);
    const std::int64_t rows = config_.train.batch_size;
    std::int64_t count = (windows.evaluation_windows() + rows - 1) / rows;
    if (max_batches > 0) count = std::min(count, max_batches);
    double sum = 0;
    std::int64_t targets = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      if (stop(i, count)) return std::nullopt;
      const TokenBatch batch = windows.evaluation_batch(i * rows, rows);
      const auto losses = score_shards<double>(model.config(), config_.train.shards, batch.rows, [&](ShardRows shard) {
        return window_loss(model, batch, shard.first, shard.count, 1.0, Pass{}).value().item();
      });
      for (const double loss : losses) sum += loss;
      targets += batch.predicted;
    }
    const double loss = sum / static_cast<double>(std::max<std::int64_t>(targets, 1));
    const TextStatistics& text = corpus(split).statistics;
    Evaluation result{split, {{"loss", loss}, {"perplexity", std::exp(loss)}}, {}};
    if (max_batches == 0) {
      // All text is predicted but its first token: the nats of the whole over its words and bytes.
      result.values.emplace_back("word_perplexity",
                                 std::exp(sum / static_cast<double>(std::max<std::int64_t>(text.words, 1))));
      result.values.emplace_back("bits_per_byte",
                                 sum / (static_cast<double>(std::max<std::int64_t>(text.bytes, 1)) * std::numbers::ln2));
    }
    result.values.emplace_back("tokens", static_cast<double>(targets));
    result.values.emplace_back("seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    return result;
  }

  bool has_split(Split split) const override { return corpora_[split].has_value(); }
  std::vector<std::string> remarks() const override {
    std::vector<std::string> all;
    for (const auto& corpus : corpora_) {
      if (corpus && !corpus->remark.empty()) all.push_back(corpus->remark);
    }
    return all;
  }

  std::vector<DataFile> data_files() const override { return data_files_of(config_.task, corpora_); }
  TokenizerFiles tokenizer_files() const override { return tokenizer_->files(); }

  std::optional<std::string> write_sample(const Model& model, const std::string& prompt,
                                          std::int64_t max_tokens) const override {
    const std::vector<std::int32_t> ids = tokenizer_->encode(prompt);
    TextStream stream(*tokenizer_, ids.empty() ? std::nullopt : std::optional(ids.back()), {});
    std::string text;
    const SamplingOptions options{.tokens = max_tokens,
                                  .temperature = kSampleTemperature,
                                  .seed = static_cast<std::uint64_t>(config_.train.seed),
                                  .vocab_size = tokenizer_->vocab_size()};
    generate(model, ids, options, [&](std::int32_t token) {
      text += stream.add(token);
      return true;
    });
    return text + stream.finish();
  }

  SampleSequence sample(Split split, std::int64_t max_tokens) const override {
    const TokenBatch window = batches(split).evaluation_batch(0, 1);
    // Behind a short text's end there is nothing to read.
    const auto length = static_cast<std::size_t>(std::min({max_tokens, window.length, window.predicted}));
    const std::vector<std::int32_t> ids(window.inputs.begin(), window.inputs.begin() + static_cast<std::ptrdiff_t>(length));
    return {ids, tokenizer_->decode(ids)};
  }

 private:
  Variable window_loss(const Model& model, const TokenBatch& batch, std::int64_t first_row, std::int64_t rows, double factor,
                       const Pass& pass) const {
    const Tensor inputs = rows_of(batch.inputs, batch.length, first_row, rows);
    const Tensor targets = rows_of(batch.targets, batch.length, first_row, rows).reshape({rows * batch.length});
    const Variable hidden = model.decode(inputs, nullptr, {}, pass);
    return model.token_loss(reshape(hidden, {rows * batch.length, model.config().embed_dim}), targets, factor, pass);
  }

  const TextCorpus& corpus(Split split) const {
    const auto& found = corpora_[split];
    check<InputError>(found.has_value(), "task.", split_name(split), ": the config names no text for this split");
    return *found;
  }

  LanguageModelBatches batches(Split split) const {
    return LanguageModelBatches(corpus(split).tokens, config_.task.seq_len, static_cast<std::uint64_t>(config_.train.seed),
                                config_.task.context_window);
  }

  Config config_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Corpora corpora_;
};

}  // namespace

std::unique_ptr<Task> make_language_modeling(const Config& config) {
  return make_language_modeling(config, make_tokenizer(config.task));
}

std::unique_ptr<Task> make_language_modeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer) {
  return std::make_unique<LanguageModeling>(config, std::move(tokenizer));
}

}  // namespace cosformer
