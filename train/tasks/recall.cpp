#include "train/tasks/recall.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "data/recall_sequences.h"
#include "layers/sequence/model_in_parts.h"
#include "train/tasks/execution.h"
#include "train/tasks/token_scores.h"

namespace cosformer {

namespace {

Tensor rows_of(const std::vector<std::int32_t>& values, std::int64_t length, ShardRows rows) {
  return Tensor::from<std::int32_t>({rows.count, length},
                                    std::span(values).subspan(static_cast<std::size_t>(rows.first * length),
                                                              static_cast<std::size_t>(rows.count * length)));
}

/// Padding stands behind a sequence's end, where a causal model does not see it from within.
Tensor inputs_of(const RecallBatch& batch, ShardRows rows) { return rows_of(batch.inputs, batch.length, rows); }
Tensor targets_of(const RecallBatch& batch, ShardRows rows) { return rows_of(batch.targets, batch.length, rows); }

struct RecallTaskBatch : TaskBatch {
  RecallBatch sequences;
  Variable loss(const Model& model, ShardRows shard, double factor, const Pass& pass) const override {
    return decoder_loss(model, inputs_of(sequences, shard), targets_of(sequences, shard), factor, pass);
  }
};

class Recall : public Task {
 public:
  explicit Recall(const Config& config) : Task(config) {
    check<InputError>(config.model.kind == ModelKind::decoder, "model.kind: recall needs \"decoder\"");
    check<InputError>(config.model.adaptive_cutoffs.empty(), "model.adaptive_cutoffs: recall has no vocabulary in bands");
    for (const Split split : kAllSplits) {
      const std::string& path = data_path(config.task, split);
      if (path.empty()) continue;
      sets_[split] = load_recall_set(path);
      check<InputError>(sets_[split]->longest <= config.task.seq_len, "task.seq_len (", config.task.seq_len,
                        ") must be at least the ", sets_[split]->longest, " tokens of ", path, "'s longest sequence");
    }
  }

  ModelConfig with_data(ModelConfig model) const override {
    for (const auto& set : sets_) {
      if (!set) continue;
      check<InputError>(model.vocab_size == 0 || model.vocab_size >= set->vocab_size, "model.vocab_size: ", model.vocab_size,
                        " is less than the data's ", set->vocab_size);
    }
    if (model.vocab_size == 0) {
      for (const auto& set : sets_) model.vocab_size = std::max(model.vocab_size, set ? set->vocab_size : 0);
    }
    if (model.max_length == 0) model.max_length = config().task.seq_len;
    return model;
  }

  TextLengths lengths() const override { return {.seq_len = config().task.seq_len}; }
  std::int64_t typical_length() const override {
    const auto& train = sets_[Split::train];
    return train ? train->longest : config().task.seq_len;
  }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    const RecallSet& train = set(Split::train);
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = 0; i < rows; ++i) {
      numbers.push_back(recall_order(train, static_cast<std::uint64_t>(config().train.seed), first + i));
    }
    auto batch = std::make_unique<RecallTaskBatch>();
    batch->sequences = recall_batch(train, numbers);
    batch->rows = rows;
    batch->targets = batch->sequences.predicted;
    batch->tokens = batch->sequences.tokens;
    return batch;
  }

  DataPosition position_of(std::int64_t sequence) const override {
    const std::int64_t in_epoch = std::ssize(set(Split::train).sequences);
    return {sequence / in_epoch, sequence % in_epoch};
  }

  bool has_split(Split split) const override { return sets_[split].has_value(); }
  std::vector<DataFile> data_files() const override {
    std::vector<DataFile> files;
    for (const Split split : kAllSplits) {
      if (sets_[split]) files.push_back({split_name(split), data_path(config().task, split), sets_[split]->content});
    }
    return files;
  }
  TokenizerFiles tokenizer_files() const override { return {}; }

  SampleSequence sample(Split split, std::int64_t max_tokens) const override {
    std::vector<std::int32_t> ids = set(split).sequences.front().tokens;
    if (std::ssize(ids) > max_tokens) ids.resize(static_cast<std::size_t>(max_tokens));
    return {ids, {}};
  }

 protected:
  std::int64_t evaluation_sequences(Split split) const override { return std::ssize(set(split).sequences); }

  /// [loss, targets, correct]
  EvaluationSums score(const Model& model, Split split, std::int64_t first, std::int64_t rows,
                       const Pass& pass) const override {
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = 0; i < rows; ++i) numbers.push_back(first + i);
    const RecallBatch batch = recall_batch(set(split), numbers);
    return score_shards(model.config(), config().train, rows, [&](ShardRows shard) {
      const Tensor targets = targets_of(batch, shard);
      return sum_over_hidden(model, inputs_of(batch, shard), pass, [&](const Tensor& hidden, std::int64_t start) {
        const std::int64_t tokens = hidden.dim(0) * hidden.dim(1);
        return sums_of_tokens(score_tokens(hidden.contiguous().reshape({tokens, hidden.dim(2)}),
                                           model.output_weight().value(), Tensor(),
                                           targets.narrow(1, start, hidden.dim(1)).contiguous().reshape({tokens})));
      });
    });
  }

  Evaluation summarize(Split split, const EvaluationSums& sums, bool) const override {
    return summarize_tokens(split, sums);
  }

 private:
  const RecallSet& set(Split split) const { return require_split(sets_, split, "file"); }

  SplitSet<std::optional<RecallSet>> sets_;
};

}  // namespace

std::unique_ptr<Task> make_recall(const Config& config) { return std::make_unique<Recall>(config); }

}  // namespace cosformer
