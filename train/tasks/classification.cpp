#include "train/tasks/classification.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "data/labelled_batches.h"
#include "train/tasks/execution.h"
#include "train/tasks/task_tokenizer.h"
#include "train/tasks/token_weighted_length.h"

namespace cosformer {

namespace {

struct ClassificationBatch : TaskBatch {
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
      : config_(config), splits_(std::move(splits)), extras_(std::move(extras)) {
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
    const std::int64_t vocab_size = data_->vocab_size() + (config_.task.class_token ? 1 : 0);
    check<InputError>(model.vocab_size == 0 || model.vocab_size >= vocab_size, "model.vocab_size: ", model.vocab_size,
                      " is less than the ", vocab_size, " of the data");
    if (model.vocab_size == 0) model.vocab_size = vocab_size;
    check<InputError>(model.num_classes == 0 || model.num_classes == data_->num_classes(),
                      "model.num_classes: ", model.num_classes, ", but the data has ", data_->num_classes());
    model.num_classes = data_->num_classes();
    check<InputError>(model.max_length == 0 || model.positions != Positions::learned || model.max_length >= padded_length(),
                      "model.max_length: ", model.max_length, " is less than the ", padded_length(),
                      " positions of a sequence");
    if (model.max_length == 0) model.max_length = padded_length();
    // A padded length of seq_len is a number: known at once, and the same in every later use of the weights.
    if (config_.task.pad_to == PadTo::seq_len && model.pooling_divisor == PoolingDivisor::padded) {
      model.pooling_divisor = PoolingDivisor::fixed;
      model.pooling_divisor_value = padded_length();
    }
    return model;
  }

  TextLengths lengths() const override {
    return {.seq_len = padded_length(), .padded = config_.task.pad_to == PadTo::seq_len ? padded_length() : 0};
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
    auto batch = std::make_unique<ClassificationBatch>();
    batch->examples = batches(Split::train).training_batch(first, rows);
    batch->rows = batch->targets = rows;
    batch->tokens = batch->examples.tokens;
    return batch;
  }

  DataPosition position_of(std::int64_t sequence) const override {
    const std::int64_t in_epoch = part(Split::train).size();
    return {sequence / in_epoch, sequence % in_epoch};
  }

  Variable loss(const Model& model, const TaskBatch& batch, std::int64_t first_row, std::int64_t rows, double factor,
                const Pass& pass) const override {
    const LabelledBatch& examples = static_cast<const ClassificationBatch&>(batch).examples;
    const Tensor labels = labels_of(examples, first_row, rows);
    return cross_entropy(scores(model, batches(Split::train), examples, first_row, rows, pass), labels, factor);
  }

  std::optional<Evaluation> evaluate(const Model& model, Split split, std::int64_t max_batches,
                                     const EvaluationStop& stop) const override {
    const auto start = std::chrono::steady_clock::now();
    const LabelledBatches parts = batches(split);
    const std::int64_t batch_size = config_.train.batch_size;
    std::int64_t count = (parts.size() + batch_size - 1) / batch_size;
    if (max_batches > 0) count = std::min(count, max_batches);
    Tally tally{std::vector<ClassCount>(static_cast<std::size_t>(data_->num_classes()))};
    for (std::int64_t i = 0; i < count; ++i) {
      if (stop(i, count)) return std::nullopt;
      score(model, parts, parts.evaluation_batch(i * batch_size, batch_size), tally);
    }
    const ClassCount all = total(tally.classes);
    const auto examples = static_cast<double>(all.examples);
    const Interval interval = wilson_interval(all.correct, all.examples);
    Evaluation result{split,
                      {{"loss", tally.loss / examples},
                       {"accuracy", static_cast<double>(all.correct) / examples},
                       {"accuracy_low", interval.low},
                       {"accuracy_high", interval.high},
                       {"examples", examples},
                       {"correct", static_cast<double>(all.correct)},
                       {"tokens", static_cast<double>(tally.tokens)},
                       {"seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()}},
                      tally.classes};
    if (extras_.positive_class >= 0) {
      const ClassCount& positive = tally.classes[static_cast<std::size_t>(extras_.positive_class)];
      // Behind the accuracy and its interval.
      result.values.insert(result.values.begin() + 4, {"f1", f1_score(positive)});
    }
    return result;
  }

  SampleSequence sample(Split split, std::int64_t max_tokens) const override {
    // A sequence is given without a mask.
    if (config_.task.mask_padding_id) return {};
    std::vector<std::int32_t> ids = batches(split).evaluation_batch(0, 1).rows.front().texts.front().tokens;
    if (static_cast<std::int64_t>(ids.size()) > max_tokens) ids.resize(static_cast<std::size_t>(max_tokens));
    return {ids, {}};
  }

  bool has_split(Split split) const override { return splits_[split] != nullptr; }
  std::vector<DataFile> data_files() const override {
    std::vector<DataFile> files;
    for (const Split split : kAllSplits) {
      if (has_split(split)) files.push_back({split_name(split), data_path(config_.task, split), part(split).content()});
    }
    return files;
  }
  TokenizerFiles tokenizer_files() const override {
    return extras_.tokenizer ? extras_.tokenizer->files() : TokenizerFiles();
  }

 private:
  struct Tally {
    std::vector<ClassCount> classes;
    double loss = 0;
    std::int64_t tokens = 0;
  };

  /// Adds what the model says to the examples of a batch.
  void score(const Model& model, const LabelledBatches& parts, const LabelledBatch& batch, Tally& tally) const {
    const auto rows = static_cast<std::int64_t>(batch.rows.size());
    std::vector<std::int64_t> predicted(static_cast<std::size_t>(rows));
    const auto losses = score_shards<double>(model.config(), config_.train.shards, rows, [&](ShardRows shard) {
      const auto [first, count] = shard;
      const Tensor logits = scores(model, parts, batch, first, count, Pass{}).value().to(DType::float32);
      const auto classes = static_cast<std::size_t>(logits.dim(1));
      for (std::int64_t row = 0; row < count; ++row) {
        const auto own = logits.span<float>().subspan(static_cast<std::size_t>(row) * classes, classes);
        predicted[static_cast<std::size_t>(first + row)] = largest(own);
      }
      return cross_entropy(Variable(logits), labels_of(batch, first, count), 1.0).value().item();
    });
    for (const double loss : losses) tally.loss += loss;
    tally.tokens += batch.tokens;
    for (std::size_t row = 0; row < batch.rows.size(); ++row) {
      const auto label = static_cast<std::size_t>(batch.rows[row].label), said = static_cast<std::size_t>(predicted[row]);
      ++tally.classes[label].examples;
      ++tally.classes[said].predicted;
      if (label == said) ++tally.classes[label].correct;
    }
  }

  /// Scores of the classes [rows, num_classes] for rows [first_row, first_row + rows).
  static Variable scores(const Model& model, const LabelledBatches& parts, const LabelledBatch& batch,
                         std::int64_t first_row, std::int64_t rows, const Pass& pass) {
    const PaddedTexts texts = parts.pad(batch, first_row, rows);
    const Tensor ids = Tensor::from<std::int32_t>({texts.texts, texts.length}, std::span<const std::int32_t>(texts.ids));
    return model.classify(model.encode(ids, texts.mask, pass), texts.mask, pass);
  }

  static Tensor labels_of(const LabelledBatch& batch, std::int64_t first_row, std::int64_t rows) {
    std::vector<std::int32_t> labels;
    for (std::int64_t row = first_row; row < first_row + rows; ++row) {
      labels.push_back(batch.rows[static_cast<std::size_t>(row)].label);
    }
    return Tensor::from<std::int32_t>({rows}, std::span<const std::int32_t>(labels));
  }

  const LabelledSequences& part(Split split) const {
    const auto& found = splits_[split];
    check<InputError>(found != nullptr, "task.", split_name(split), ": the config names no data for this split");
    return *found;
  }

  LabelledBatches batches(Split split) const {
    const TaskConfig& task = config_.task;
    return LabelledBatches(part(split), {task.seq_len, task.mask_padding_id, task.class_token},
                           static_cast<std::uint64_t>(config_.train.seed));
  }

  std::int64_t padded_length() const { return config_.task.seq_len + (config_.task.class_token ? 1 : 0); }

  Config config_;
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
