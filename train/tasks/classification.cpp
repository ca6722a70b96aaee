#include "train/tasks/classification.h"

#include <algorithm>

#include "core/error.h"
#include "data/labelled_batches.h"
#include "layers/attention/registry.h"
#include "layers/sequence/model_in_parts.h"
#include "train/tasks/execution.h"
#include "train/tasks/task_tokenizer.h"
#include "train/tasks/token_weighted_length.h"

namespace cosformer {

namespace {

/// Scores of the classes [rows, num_classes] for `rows` of a batch.
Variable scores_of(const Model& model, const LabelledBatches& batches, const LabelledBatch& batch, ShardRows rows,
                   const Pass& pass) {
  const PaddedTexts texts = batches.pad(batch, rows.first, rows.count);
  const Tensor ids = Tensor::from<std::int32_t>({texts.texts, texts.length}, std::span<const std::int32_t>(texts.ids));
  return class_scores(model, ids, texts.mask, pass);
}

Tensor labels_of(const LabelledBatch& batch, ShardRows rows) {
  std::vector<std::int32_t> labels;
  for (std::int64_t row = rows.first; row < rows.first + rows.count; ++row) {
    labels.push_back(batch.rows[static_cast<std::size_t>(row)].label);
  }
  return Tensor::from<std::int32_t>({rows.count}, std::span<const std::int32_t>(labels));
}

struct ClassificationBatch : TaskBatch {
  explicit ClassificationBatch(const LabelledBatches& all) : batches(all) {}
  Variable loss(const Model& model, ShardRows shard, double factor, const Pass& pass) const override {
    return cross_entropy(scores_of(model, batches, examples, shard, pass), labels_of(examples, shard), factor);
  }
  std::vector<std::int64_t> text_lengths(std::int64_t row) const override {
    std::vector<std::int64_t> lengths;
    for (const LabelledBatch::Text& text : examples.rows[static_cast<std::size_t>(row)].texts)
      lengths.push_back(std::ssize(text.tokens));
    return lengths;
  }

  LabelledBatches batches;
  LabelledBatch examples;
};

void check_part(const LabelledSequences& data, const LabelledSequences& first, Split split) {
  const char* name = split_name(split);
  check<InputError>(data.size() > 0, "task.", name, ": the data holds no sequence");
  check<InputError>(
      data.num_classes() == first.num_classes() && data.vocab_size() == first.vocab_size() && data.texts() == first.texts(),
      "task.", name, ": ", data.num_classes(), " classes and ", data.vocab_size(), " token ids, but ", first.num_classes(),
      " and ", first.vocab_size(), " in another split");
  for (std::int64_t example = 0; example < data.size(); ++example) {
    const std::int32_t label = data.label(example);
    check<InputError>(label >= 0 && label < data.num_classes(), "task.", name, ": example ", example, " has label ", label,
                      ", expected 0 to ", data.num_classes() - 1);
  }
}

class Classification : public Task {
 public:
  Classification(const Config& config, LabelledSplits splits, ClassificationExtras extras)
      : Task(config), splits_(std::move(splits)), extras_(std::move(extras)) {
    check<InputError>(config.model.kind == ModelKind::encoder, "model.kind: ", config.task.name, " needs \"encoder\"");
    const auto given = std::ranges::find_if(splits_, [](const auto& part) { return part != nullptr; });
    check<InputError>(given != splits_.end(), "task.train: the config names no data");
    data_ = given->get();
    for (const Split split : kAllSplits) {
      if (has_split(split)) check_part(part(split), *data_, split);
    }
    const bool pairs = config.model.pair_features != PairFeatures::none;
    check<InputError>(data_->texts() != 2 || pairs, "model.pair_features: ", config.task.name,
                      " classifies pairs of texts; expected \"concat\" or \"interaction\"");
    check<InputError>(data_->texts() != 1 || !pairs, "model.pair_features: ", config.task.name,
                      " classifies single texts; expected \"none\"");
  }

  ModelConfig with_data(ModelConfig model) const override {
    const std::int64_t vocab_size = data_->vocab_size() + (config().task.class_token ? 1 : 0);
    complete_vocab_size(model, vocab_size, concat(vocab_size, " of the data"));
    check<InputError>(model.num_classes == 0 || model.num_classes == data_->num_classes(),
                      "model.num_classes: ", model.num_classes, ", but the data has ", data_->num_classes());
    model.num_classes = data_->num_classes();
    check<InputError>(model.max_length == 0 || !is_bounded(model) || model.max_length >= padded_length(),
                      "model.max_length: ", model.max_length, " is less than the ", padded_length(),
                      " positions of a sequence");
    if (model.max_length == 0) model.max_length = padded_length();
    // A padded length of seq_len is a number: known at once, and the same in every later use of the weights.
    if (config().task.pad_to == PadTo::seq_len && model.pooling_divisor == PoolingDivisor::padded) {
      model.pooling_divisor = PoolingDivisor::fixed;
      model.pooling_divisor_value = padded_length();
    }
    return model;
  }

  TextLengths lengths() const override {
    return {.seq_len = padded_length(), .padded = config().task.pad_to == PadTo::seq_len ? padded_length() : 0};
  }

  std::int64_t typical_length() const override {
    constexpr std::int64_t kSample = 256;
    TokenWeightedLength mean;
    for (const LabelledBatch::Row& row : batches(Split::train).training_batch(0, kSample).rows) {
      for (const auto& text : row.texts) mean.add(text.tokens.size());
    }
    return mean.value();
  }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    auto batch = std::make_unique<ClassificationBatch>(batches(Split::train));
    batch->examples = batch->batches.training_batch(first, rows);
    batch->rows = batch->targets = rows;
    batch->tokens = batch->examples.tokens;
    return batch;
  }

  DataPosition position_of(std::int64_t sequence) const override {
    const std::int64_t in_epoch = part(Split::train).size();
    return {sequence / in_epoch, sequence % in_epoch};
  }

  SampleSequence sample(Split split, std::int64_t max_tokens) const override {
    // A sequence is given without a mask.
    if (config().task.mask_padding_id) return {};
    std::vector<std::int32_t> ids = batches(split).evaluation_batch(0, 1).rows.front().texts.front().tokens;
    if (static_cast<std::int64_t>(ids.size()) > max_tokens) ids.resize(static_cast<std::size_t>(max_tokens));
    return {ids, {}};
  }

  bool has_split(Split split) const override { return splits_[split] != nullptr; }
  std::vector<DataFile> data_files() const override {
    std::vector<DataFile> files;
    for (const Split split : kAllSplits) {
      if (has_split(split)) files.push_back({split_name(split), data_path(config().task, split), part(split).content()});
    }
    return files;
  }
  TokenizerFiles tokenizer_files() const override {
    return extras_.tokenizer ? extras_.tokenizer->files() : TokenizerFiles();
  }

 protected:
  std::int64_t evaluation_sequences(Split split) const override { return part(split).size(); }

  /// [loss, tokens], then for each class [examples, predicted, correct]
  EvaluationSums score(const Model& model, Split split, std::int64_t first, std::int64_t rows,
                       const Pass& pass) const override {
    const LabelledBatches all = batches(split);
    const LabelledBatch batch = all.evaluation_batch(first, rows);
    EvaluationSums figures = score_shards(model.config(), config().train, rows, [&](ShardRows shard) {
      const Tensor logits = scores_of(model, all, batch, shard, pass).value().to(DType::float32);
      const auto classes = static_cast<std::size_t>(logits.dim(1));
      EvaluationSums sums(kClassFigures + 3 * classes);
      sums[0] = cross_entropy(Variable(logits), labels_of(batch, shard), 1.0).value().item();
      for (std::int64_t row = 0; row < shard.count; ++row) {
        const auto own = logits.span<float>().subspan(static_cast<std::size_t>(row) * classes, classes);
        const auto said = static_cast<std::size_t>(largest(own));
        const auto label = static_cast<std::size_t>(batch.rows[static_cast<std::size_t>(shard.first + row)].label);
        ++sums[kClassFigures + 3 * label];
        ++sums[kClassFigures + 3 * said + 1];
        if (label == said) ++sums[kClassFigures + 3 * label + 2];
      }
      return sums;
    });
    figures[1] = static_cast<double>(batch.tokens);
    return figures;
  }

  Evaluation summarize(Split split, const EvaluationSums& sums, bool) const override {
    Evaluation result{split, {}, {}};
    for (std::size_t at = kClassFigures; at < sums.size(); at += 3) {
      result.classes.push_back({static_cast<std::int64_t>(sums[at]), static_cast<std::int64_t>(sums[at + 1]),
                                static_cast<std::int64_t>(sums[at + 2])});
    }
    const ClassCount all = total(result.classes);
    const auto examples = static_cast<double>(all.examples), correct = static_cast<double>(all.correct);
    const Interval interval = wilson_interval(all.correct, all.examples);
    result.values = {{"loss", sums[0] / examples},
                     {"accuracy", correct / examples},
                     {"accuracy_low", interval.low},
                     {"accuracy_high", interval.high}};
    if (extras_.positive_class >= 0) {
      result.values.emplace_back("f1", f1_score(result.classes[static_cast<std::size_t>(extras_.positive_class)]));
    }
    result.values.insert(result.values.end(), {{"examples", examples}, {"correct", correct}, {"tokens", sums[1]}});
    return result;
  }

 private:
  static constexpr std::size_t kClassFigures = 2;  // before those of the classes

  const LabelledSequences& part(Split split) const { return require_split(splits_, split, "data"); }

  LabelledBatches batches(Split split) const {
    const TaskConfig& task = config().task;
    return LabelledBatches(part(split), {task.seq_len, task.mask_padding_id, task.class_token},
                           static_cast<std::uint64_t>(config().train.seed));
  }

  std::int64_t padded_length() const { return config().task.seq_len + (config().task.class_token ? 1 : 0); }

  LabelledSplits splits_;
  ClassificationExtras extras_;
  const LabelledSequences* data_ = nullptr;  ///< any of the splits: they agree on ids and classes
};

}  // namespace

std::unique_ptr<Task> make_classification(const Config& config) {
  LabelledSplits splits;
  for (const Split split : kAllSplits) {
    const std::string& path = data_path(config.task, split);
    if (!path.empty()) splits[split] = load_labelled_sequences(config.task.name, path, split);
  }
  return make_classification(config, std::move(splits));
}

std::unique_ptr<Task> make_classification(const Config& config, LabelledSplits splits, ClassificationExtras extras) {
  return std::make_unique<Classification>(config, std::move(splits), std::move(extras));
}

}  // namespace cosformer
