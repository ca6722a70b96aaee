#include "train/tasks/language_modeling.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <span>

#include "core/error.h"
#include "data/language_model_batches.h"
#include "layers/attention/registry.h"
#include "layers/packed_texts.h"
#include "layers/sequence/model_in_parts.h"
#include "train/tasks/corpus_task.h"
#include "train/tasks/execution.h"
#include "train/tasks/generator.h"
#include "train/tasks/task_tokenizer.h"
#include "train/tasks/text_stream.h"

namespace cosformer {

namespace {

/// As `cosformer generate` has it unless told otherwise.
constexpr double kSampleTemperature = 0.8;

/// Rows [first, first + rows) of a row-major [.., length] array as a tensor.
Tensor rows_of(const std::vector<std::int32_t>& values, std::int64_t length, std::int64_t first, std::int64_t rows) {
  return Tensor::from<std::int32_t>({rows, length}, std::span(values).subspan(static_cast<std::size_t>(first * length),
                                                                              static_cast<std::size_t>(rows * length)));
}

/// factor · Σ loss over the targets of `rows`.
Variable window_loss(const Model& model, const TokenBatch& batch, ShardRows rows, double factor, const Pass& pass) {
  Pass own = pass;
  if (!batch.starts.empty()) {
    const auto starts =
        std::span(batch.starts).subspan(static_cast<std::size_t>(rows.first), static_cast<std::size_t>(rows.count));
    own.packed = pack_texts(starts, batch.length);
  }
  return decoder_loss(model, rows_of(batch.inputs, batch.length, rows.first, rows.count),
                      rows_of(batch.targets, batch.length, rows.first, rows.count), factor, own);
}

struct LanguageModelBatch : TaskBatch {
  TokenBatch windows;
  Variable loss(const Model& model, ShardRows shard, double factor, const Pass& pass) const override {
    return window_loss(model, windows, shard, factor, pass);
  }
};

class LanguageModeling : public CorpusTask {
 public:
  LanguageModeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer) : CorpusTask(config) {
    check<InputError>(config.model.kind == ModelKind::decoder, "model.kind: language_modeling needs \"decoder\"");
    check<InputError>(!config.task.carry_state || (!is_bounded(config.model) && config.task.context_window == 0 &&
                                                   config.train.eval_max_batches == 0),
                      "task.carry_state: a split that is read as one text needs model.positions that are not learned, an "
                      "attention without parameters for positions, and no "
                      "task.context_window or train.eval_max_batches");
    // A prompt that cannot be read shows now, not at the first evaluation.
    const std::string& prompt = config.logging.sample_prompt;
    check<InputError>(prompt.empty() || !tokenizer->encode(prompt).empty(), "logging.sample_prompt: the text has no tokens");
    check<InputError>(!config.task.carry_state || !config.task.document_boundaries,
                      "task.carry_state: a split that is read as one text needs task.document_boundaries = false");
    check<InputError>(!config.task.document_boundaries || config.train.sequence_ranks == 0,
                      "task.document_boundaries: the parts of a window do not know documents; expected "
                      "train.sequence_ranks = 0");
    read_texts(std::move(tokenizer));
  }

  ModelConfig with_data(ModelConfig model) const override {
    const std::int64_t vocab_size = tokenizer().vocab_size();
    complete_vocab_size(model, vocab_size, concat("tokenizer's ", vocab_size));
    if (model.max_length == 0) model.max_length = config().task.seq_len;
    return model;
  }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    auto batch = std::make_unique<LanguageModelBatch>();
    batch->windows = training_batches().batch(first, rows);
    batch->rows = rows;
    batch->targets = batch->tokens = batch->windows.predicted;
    return batch;
  }

  std::optional<TextStreams> streams() const override { return training_batches().streams(); }
  std::int64_t longest_carried_text() const override {
    const std::int64_t validated = has_split(Split::valid) ? batches(Split::valid).targets() : 0;
    return std::max(Task::longest_carried_text(), validated);
  }

  std::vector<std::string> remarks() const override {
    std::vector<std::string> all = CorpusTask::remarks();
    if (!config().task.carry_state || !has_split(Split::train)) return all;
    const LanguageModelBatches batches = training_batches();
    const TextStreams& streams = *batches.streams();
    all.push_back(concat("task.carry_state: an epoch has ", streams.streams(), " texts of ", streams.stream_length(),
                         " tokens, which windows go on with; ", streams.left_out(), " of ", batches.targets(),
                         " tokens are left out, others in each epoch"));
    return all;
  }

  std::optional<std::string> write_sample(const Model& model, const std::string& prompt,
                                          std::int64_t max_tokens) const override {
    const std::vector<std::int32_t> ids = tokenizer().encode(prompt);
    TextStream stream(tokenizer(), ids.empty() ? std::nullopt : std::optional(ids.back()), {});
    std::string text;
    const SamplingOptions options{.tokens = max_tokens,
                                  .temperature = kSampleTemperature,
                                  .seed = static_cast<std::uint64_t>(config().train.seed),
                                  .vocab_size = tokenizer().vocab_size()};
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
    return {ids, tokenizer().decode(ids)};
  }

 protected:
  /// With a state that is carried on, a text is one sequence.
  std::int64_t evaluation_sequences(Split split) const override {
    return config().task.carry_state ? 1 : batches(split).evaluation_windows();
  }

  /// [loss, targets]
  EvaluationSums score(const Model& model, Split split, std::int64_t first, std::int64_t rows,
                       const Pass& pass) const override {
    if (config().task.carry_state) return score_as_one(model, batches(split));
    const TokenBatch batch = batches(split).evaluation_batch(first, rows);
    EvaluationSums sums = score_shards(model.config(), config().train, rows, [&](ShardRows shard) {
      return EvaluationSums{window_loss(model, batch, shard, 1.0, pass).value().item()};
    });
    sums.push_back(static_cast<double>(batch.predicted));
    return sums;
  }

  std::int64_t sequences_in_epoch() const override { return training_batches().sequences_in_epoch(); }

  Evaluation summarize(Split split, const EvaluationSums& sums, bool whole) const override {
    const double loss = sums[0], targets = sums[1];
    Evaluation result{split, loss_values(loss, targets), {}};
    if (whole) {
      // The nats of the whole over its words and bytes. All text is predicted but its first token, or that of each document
      // that does not see the one before: such tokens count as the mean of the others.
      const TextStatistics& text = corpus(split).statistics;
      const double nats = loss * (static_cast<double>(corpus(split).tokens.size() - 1) / std::max(targets, 1.0));
      result.values.emplace_back("word_perplexity",
                                 std::exp(nats / static_cast<double>(std::max<std::int64_t>(text.words, 1))));
      result.values.emplace_back("bits_per_byte",
                                 nats / (static_cast<double>(std::max<std::int64_t>(text.bytes, 1)) * std::numbers::ln2));
    }
    result.values.emplace_back("tokens", targets);
    return result;
  }

 private:
  /// The same of a whole text, each window with the state that the one before has left.
  static EvaluationSums score_as_one(const Model& model, const LanguageModelBatches& windows) {
    DecoderState state = model.decoder().start();
    EvaluationSums sums = {0, 0};
    for (std::int64_t w = 0; w < windows.evaluation_windows(); ++w) {
      TokenBatch window = windows.evaluation_batch(w, 1);
      // Behind the end of a short window there is nothing to read.
      window.length = window.predicted;
      const Variable hidden(model.decoder().step(rows_of(window.inputs, window.length, 0, 1), state));
      const Tensor targets = rows_of(window.targets, window.length, 0, 1).reshape({window.length});
      sums[0] +=
          model.token_loss(reshape(hidden, {window.length, model.config().embed_dim}), targets, 1.0, Pass{}).value().item();
      sums[1] += static_cast<double>(window.predicted);
    }
    return sums;
  }

  LanguageModelBatches training_batches() const {
    const TaskConfig& task = config().task;
    if (!task.carry_state) return batches(epoch_text());
    const std::int64_t targets = epoch_text().size() - 1, streams = config().train.batch_size;
    check<InputError>(targets / streams >= task.seq_len, "task.carry_state: the training text has ", targets,
                      " tokens to predict, no window of task.seq_len = ", task.seq_len,
                      " for each of train.batch_size = ", streams, " rows");
    return batches(epoch_text(), streams);
  }
  /// Of a split as its text stands.
  LanguageModelBatches batches(Split split) const { return batches(EpochText(corpus(split).tokens, corpus(split).starts)); }
  LanguageModelBatches batches(const EpochText& text, std::int64_t streams = 0) const {
    return LanguageModelBatches(text, config().task.seq_len, static_cast<std::uint64_t>(config().train.seed),
                                {config().task.context_window, config().task.document_boundaries, streams});
  }
};

}  // namespace

std::unique_ptr<Task> make_language_modeling(const Config& config) {
  return make_language_modeling(config, make_tokenizer(config.task));
}

std::unique_ptr<Task> make_language_modeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer) {
  return std::make_unique<LanguageModeling>(config, std::move(tokenizer));
}

}  // namespace cosformer
