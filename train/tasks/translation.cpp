#include "train/tasks/translation.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "autograd/ops.h"
#include "core/error.h"
#include "data/translation_batches.h"
#include "train/tasks/execution.h"
#include "train/tasks/task_tokenizer.h"
#include "train/tasks/token_weighted_length.h"
#include "train/tasks/translation/bleu.h"
#include "train/tasks/translation/translator.h"

namespace cosformer {

namespace {

struct PairsBatch : TaskBatch {
  TranslationBatch pairs;
};

/// One split: the sentences as text and as tokens.
struct ParallelPart {
  ParallelFiles files;
  ParallelText text;
  SentencePairs pairs;
};

ParallelFiles files_of(const TaskConfig& task, Split split) {
  try {
    return find_parallel_files(data_path(task, split), task.source_language, task.target_language);
  } catch (const InputError& error) {
    throw InputError(concat("task.", split_name(split), ": ", error.what()));
  }
}

/// The tokenizer of a config: read from its folder, or made from both sides of the training text.
std::unique_ptr<Tokenizer> shared_tokenizer(const TaskConfig& task) {
  if (has_tokenizer_files(task)) return make_tokenizer(task);
  check<InputError>(!task.train.empty(), "task.tokenizer_folder: a \"", task.tokenizer,
                    "\" tokenizer needs its files, or task.train to be made from");
  const ParallelText text = load_parallel_text(files_of(task, Split::train));
  std::string both;
  for (const auto* side : {&text.source, &text.target}) {
    for (const std::string& line : *side) both.append(line).append(1, '\n');
  }
  return make_tokenizer(task, both);
}

class Translation : public Task {
 public:
  Translation(const Config& config, std::shared_ptr<const Tokenizer> tokenizer)
      : config_(config), tokenizer_(std::move(tokenizer)), special_(tokenizer_->vocab_size()) {
    check<InputError>(config.model.kind == ModelKind::encoder_decoder, "model.kind: translation needs \"encoder_decoder\"");
    for (const Split split : kAllSplits) {
      const std::string& path = data_path(config.task, split);
      if (path.empty()) continue;
      ParallelPart& part = parts_[split].emplace();
      part.files = files_of(config.task, split);
      part.text = load_parallel_text(part.files);
      part.pairs = tokenize_parallel_text(part.text, part.files, *tokenizer_, config.task.seq_len,
                                          split == Split::train ? UnfitSentences::leave_out : UnfitSentences::cut);
    }
  }

  ModelConfig with_data(ModelConfig model) const override {
    check<InputError>(model.vocab_size == 0 || model.vocab_size >= special_.vocab_size,
                      "model.vocab_size: ", model.vocab_size, " is less than the tokenizer's ", tokenizer_->vocab_size(),
                      " and ", TranslationTokens::kCount, " special tokens");
    if (model.vocab_size == 0) model.vocab_size = special_.vocab_size;
    if (model.max_length == 0) model.max_length = config_.task.seq_len;
    return model;
  }

  TextLengths lengths() const override { return {.seq_len = config_.task.seq_len}; }

  std::int64_t typical_length() const override {
    TokenWeightedLength mean;
    for (const auto& target : part(Split::train).pairs.target) mean.add(target.size());
    return mean.value();
  }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    auto batch = std::make_unique<PairsBatch>();
    batch->pairs = batches(Split::train).training_batch(first, rows);
    batch->rows = rows;
    batch->targets = batch->tokens = batch->pairs.target_tokens;
    return batch;
  }

  DataPosition position_of(std::int64_t sequence) const override {
    const std::int64_t in_epoch = part(Split::train).pairs.size();
    return {sequence / in_epoch, sequence % in_epoch};
  }

  Variable loss(const Model& model, const TaskBatch& batch, std::int64_t first_row, std::int64_t rows, double factor,
                const Pass& pass) const override {
    const PaddedPairs padded = batches(Split::train).pad(static_cast<const PairsBatch&>(batch).pairs, first_row, rows);
    return pairs_loss(model, padded, factor, config_.task.label_smoothing, pass);
  }

  std::optional<Evaluation> evaluate(const Model& model, Split split, std::int64_t max_batches,
                                     const EvaluationStop& stop) const override {
    const auto start = std::chrono::steady_clock::now();
    const ParallelPart& own = part(split);
    const TranslationBatches sentences = batches(split);
    const Translator translator(model, *tokenizer_, config_.decoding, config_.task.seq_len);
    const std::int64_t batch_size = config_.train.batch_size;
    std::int64_t count = (sentences.size() + batch_size - 1) / batch_size;
    if (max_batches > 0) count = std::min(count, max_batches);
    double loss = 0;
    std::int64_t tokens = 0, exact = 0;
    std::vector<std::string> translations, references;
    for (std::int64_t i = 0; i < count; ++i) {
      if (stop(i, count)) return std::nullopt;
      const TranslationBatch batch = sentences.evaluation_batch(i * batch_size, batch_size);
      loss += summed_loss(model, sentences, batch);
      tokens += batch.target_tokens;
      std::vector<std::vector<std::int32_t>> sources;
      for (const std::int64_t pair : batch.pairs) {
        sources.push_back(own.pairs.source[static_cast<std::size_t>(pair)]);
        const std::int64_t line = own.pairs.lines[static_cast<std::size_t>(pair)];
        references.push_back(own.text.target[static_cast<std::size_t>(line)]);
      }
      for (const Hypothesis& hypothesis : translator.translate_tokens(sources)) {
        translations.push_back(translator.text_of(hypothesis));
        exact += translations.back() == references[translations.size() - 1];
      }
    }
    const double mean = loss / static_cast<double>(std::max<std::int64_t>(tokens, 1));
    const Bleu bleu = corpus_bleu(translations, references);
    const auto sentences_scored = static_cast<double>(references.size());
    return Evaluation{split,
                      {{"loss", mean},
                       {"perplexity", std::exp(mean)},
                       {"bleu", bleu.score},
                       {"length_ratio", static_cast<double>(bleu.length) /
                                            static_cast<double>(std::max<std::int64_t>(bleu.reference_length, 1))},
                       {"exact", static_cast<double>(exact) / std::max(sentences_scored, 1.0)},
                       {"sentences", sentences_scored},
                       {"tokens", static_cast<double>(tokens)},
                       {"seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()}},
                      {}};
  }

  bool has_split(Split split) const override { return parts_[split].has_value(); }
  std::vector<DataFile> data_files() const override {
    std::vector<DataFile> files;
    for (const Split split : kAllSplits) {
      if (!has_split(split)) continue;
      const ParallelPart& given = part(split);
      files.push_back({split_name(split), given.files.source.string(), content_of(given.text.source)});
      files.push_back({split_name(split), given.files.target.string(), content_of(given.text.target)});
    }
    return files;
  }
  TokenizerFiles tokenizer_files() const override { return tokenizer_->files(); }

 private:
  /// factor · Σ loss over the targets.
  static Variable pairs_loss(const Model& model, const PaddedPairs& pairs, double factor, double label_smoothing,
                             const Pass& pass) {
    const auto as_tensor = [](const Shape& shape, const std::vector<std::int32_t>& values) {
      return Tensor::from<std::int32_t>(shape, std::span<const std::int32_t>(values));
    };
    const std::int64_t places = pairs.pairs * pairs.target_length;
    const EncoderOutput encoder{
        model.encode(as_tensor({pairs.pairs, pairs.source_length}, pairs.source), pairs.source_mask, pass),
        pairs.source_mask};
    const Variable hidden =
        model.decode(as_tensor({pairs.pairs, pairs.target_length}, pairs.inputs), pairs.target_mask, encoder, pass);
    return model.token_loss(reshape(hidden, {places, model.config().embed_dim}), as_tensor({places}, pairs.targets), factor,
                            pass, label_smoothing);
  }

  double summed_loss(const Model& model, const TranslationBatches& sentences, const TranslationBatch& batch) const {
    const auto rows = static_cast<std::int64_t>(batch.pairs.size());
    const auto losses = score_shards<double>(model.config(), config_.train.shards, rows, [&](ShardRows shard) {
      return pairs_loss(model, sentences.pad(batch, shard.first, shard.count), 1.0, 0.0, Pass{}).value().item();
    });
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  }

  const ParallelPart& part(Split split) const {
    const auto& found = parts_[split];
    check<InputError>(found.has_value(), "task.", split_name(split), ": the config names no text for this split");
    return *found;
  }

  TranslationBatches batches(Split split) const {
    return TranslationBatches(part(split).pairs, special_, config_.train.batch_size,
                              static_cast<std::uint64_t>(config_.train.seed));
  }

  Config config_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  TranslationTokens special_;
  SplitSet<std::optional<ParallelPart>> parts_;
};

}  // namespace

std::unique_ptr<Task> make_translation(const Config& config) {
  return make_translation(config, shared_tokenizer(config.task));
}

std::unique_ptr<Task> make_translation(const Config& config, std::shared_ptr<const Tokenizer> tokenizer) {
  return std::make_unique<Translation>(config, std::move(tokenizer));
}

}  // namespace cosformer
