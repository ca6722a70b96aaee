#include "train/tasks/translation.h"

#include <algorithm>
#include <array>
#include <cmath>
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

/// factor · Σ loss over the targets.
Variable pairs_loss(const Model& model, const PaddedPairs& pairs, double factor, double label_smoothing, const Pass& pass) {
  const auto as_tensor = [](const Shape& shape, const std::vector<std::int32_t>& values) {
    return Tensor::from<std::int32_t>(shape, std::span<const std::int32_t>(values));
  };
  const std::int64_t places = pairs.pairs * pairs.target_length;
  const EncoderOutput encoder{
      model.encode(as_tensor({pairs.pairs, pairs.source_length}, pairs.source), pairs.source_mask, pass), pairs.source_mask};
  const Variable hidden =
      model.decode(as_tensor({pairs.pairs, pairs.target_length}, pairs.inputs), pairs.target_mask, encoder, pass);
  return model.token_loss(reshape(hidden, {places, model.config().embed_dim}), as_tensor({places}, pairs.targets), factor,
                          pass, label_smoothing);
}

struct PairsBatch : TaskBatch {
  PairsBatch(const TranslationBatches& all, double smoothing) : batches(all), label_smoothing(smoothing) {}
  Variable loss(const Model& model, ShardRows shard, double factor, const Pass& pass) const override {
    return pairs_loss(model, batches.pad(pairs, shard.first, shard.count), factor, label_smoothing, pass);
  }
  std::vector<std::int64_t> text_lengths(std::int64_t row) const override {
    return {batches.mean_length(pairs.pairs[static_cast<std::size_t>(row)])};
  }

  TranslationBatches batches;
  double label_smoothing;
  TranslationBatch pairs;
};

class Translation : public Task {
 public:
  Translation(const Config& config, std::shared_ptr<const Tokenizer> tokenizer)
      : Task(config), tokenizer_(std::move(tokenizer)), special_(tokenizer_->vocab_size()) {
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
    complete_vocab_size(
        model, special_.vocab_size,
        concat("tokenizer's ", tokenizer_->vocab_size(), " and ", TranslationTokens::kCount, " special tokens"));
    if (model.max_length == 0) model.max_length = config().task.seq_len;
    return model;
  }

  TextLengths lengths() const override { return {.seq_len = config().task.seq_len}; }

  std::int64_t typical_length() const override {
    TokenWeightedLength mean;
    for (const auto& target : part(Split::train).pairs.target) mean.add(target.size());
    return mean.value();
  }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    auto batch = std::make_unique<PairsBatch>(batches(Split::train), config().task.label_smoothing);
    batch->pairs = batch->batches.training_batch(first, rows);
    batch->rows = rows;
    batch->targets = batch->tokens = batch->pairs.target_tokens;
    return batch;
  }

  DataPosition position_of(std::int64_t sequence) const override {
    const std::int64_t in_epoch = part(Split::train).pairs.size();
    return {sequence / in_epoch, sequence % in_epoch};
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

 protected:
  std::int64_t evaluation_sequences(Split split) const override { return batches(split).size(); }

  /// [loss, target tokens, sentences, exact ones], then the counts of BLEU
  EvaluationSums score(const Model& model, Split split, std::int64_t first, std::int64_t rows,
                       const Pass& pass) const override {
    const ParallelPart& own = part(split);
    const TranslationBatches all = batches(split);
    const TranslationBatch batch = all.evaluation_batch(first, rows);
    EvaluationSums sums = score_shards(model.config(), config().train, rows, [&](ShardRows shard) {
      return EvaluationSums{pairs_loss(model, all.pad(batch, shard.first, shard.count), 1.0, 0.0, pass).value().item()};
    });
    std::vector<std::vector<std::int32_t>> sources;
    for (const std::int64_t pair : batch.pairs) sources.push_back(own.pairs.source[static_cast<std::size_t>(pair)]);
    const Translator translator(model, *tokenizer_, config().decoding, config().task.seq_len);
    const std::vector<Hypothesis> hypotheses = translator.translate_tokens(sources);
    BleuCounts counts;
    std::int64_t exact = 0;
    for (std::size_t i = 0; i < hypotheses.size(); ++i) {
      const std::int64_t line = own.pairs.lines[static_cast<std::size_t>(batch.pairs[i])];
      const std::string &reference = own.text.target[static_cast<std::size_t>(line)],
                        translation = translator.text_of(hypotheses[i]);
      exact += translation == reference;
      counts.add(translation, reference);
    }
    sums.insert(sums.end(),
                {static_cast<double>(batch.target_tokens), static_cast<double>(rows), static_cast<double>(exact)});
    sums.insert(sums.end(), counts.begin(), counts.end());
    return sums;
  }

  Evaluation summarize(Split split, const EvaluationSums& sums, bool) const override {
    const double tokens = sums[1], sentences = sums[2], exact = sums[3];
    BleuCounts counts;
    std::transform(sums.begin() + 4, sums.end(), counts.begin(),
                   [](double count) { return static_cast<std::int64_t>(count); });
    Evaluation result{split, loss_values(sums[0], tokens), {}};
    result.values.insert(result.values.end(),
                         {{"bleu", bleu_of(counts).score},
                          {"length_ratio", static_cast<double>(counts.length()) /
                                               static_cast<double>(std::max<std::int64_t>(counts.reference_length(), 1))},
                          {"exact", exact / std::max(sentences, 1.0)},
                          {"sentences", sentences},
                          {"tokens", tokens}});
    return result;
  }

 private:
  const ParallelPart& part(Split split) const { return require_split(parts_, split, "text"); }

  TranslationBatches batches(Split split) const {
    return TranslationBatches(part(split).pairs, special_, config().train.batch_size,
                              static_cast<std::uint64_t>(config().train.seed));
  }

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
