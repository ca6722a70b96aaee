#include "train/tasks/masked_language_modeling.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/cross_entropy.h"
#include "data/masked_token_batches.h"
#include "train/tasks/corpora.h"
#include "train/tasks/execution.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

MaskedTokens masked_tokens(const Model& model, const Tensor& ids, const SharedPaddingMask& mask,
                           std::span<const std::int32_t> targets, const Pass& pass) {
  std::vector<std::int32_t> places, wanted;
  for (std::size_t place = 0; place < targets.size(); ++place) {
    if (targets[place] == kIgnoredTarget) continue;
    places.push_back(static_cast<std::int32_t>(place));
    wanted.push_back(targets[place]);
  }
  const auto count = static_cast<std::int64_t>(places.size());
  const auto as_tensor = [&](const std::vector<std::int32_t>& values) {
    return Tensor::from<std::int32_t>({count}, std::span<const std::int32_t>(values));
  };
  const Variable hidden = model.encode(ids, mask, pass);
  const Variable rows = reshape(hidden, {ids.size(), model.config().embed_dim});
  return {model.lm_head().features(embedding(rows, as_tensor(places)), pass), as_tensor(wanted)};
}

Variable masked_token_loss(const Model& model, const MaskedTokens& masked, double factor, const Pass& pass) {
  const LinearWeights output = model.lm_head().output(pass);
  return linear_cross_entropy(masked.features, output.weight, output.bias, masked.targets, factor);
}

namespace {

struct MaskedBatch : TaskBatch {
  MaskedTokenBatch blocks;
};

class MaskedLanguageModeling : public Task {
 public:
  MaskedLanguageModeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer)
      : config_(config), tokenizer_(std::move(tokenizer)), special_(tokenizer_->vocab_size()) {
    check<InputError>(config.model.kind == ModelKind::encoder, "model.kind: masked_language_modeling needs \"encoder\"");
    corpora_ = load_corpora(config.task, *tokenizer_);
  }

  ModelConfig with_data(ModelConfig model) const override {
    check<InputError>(model.vocab_size == 0 || model.vocab_size >= special_.vocab_size,
                      "model.vocab_size: ", model.vocab_size, " is less than the tokenizer's ", tokenizer_->vocab_size(),
                      " and ", SpecialTokens::kCount, " special tokens");
    if (model.vocab_size == 0) model.vocab_size = special_.vocab_size;
    if (model.max_length == 0) model.max_length = config_.task.seq_len;
    model.lm_head = true;
    return model;
  }

  TextLengths lengths() const override { return {.seq_len = config_.task.seq_len}; }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    auto batch = std::make_unique<MaskedBatch>();
    batch->blocks = blocks(Split::train).batch(first, rows);
    batch->rows = rows;
    batch->targets = batch->blocks.masked;
    batch->tokens = batch->blocks.tokens;
    return batch;
  }

  DataPosition position_of(std::int64_t sequence) const override {
    const std::int64_t in_epoch = blocks(Split::train).sequences_in_epoch();
    return {sequence / in_epoch, sequence % in_epoch};
  }

  Variable loss(const Model& model, const TaskBatch& batch, std::int64_t first_row, std::int64_t rows, double factor,
                const Pass& pass) const override {
    const MaskedTokens masked = predict(model, static_cast<const MaskedBatch&>(batch).blocks, first_row, rows, pass);
    return masked_token_loss(model, masked, factor, pass);
  }

  std::optional<Evaluation> evaluate(const Model& model, Split split, std::int64_t max_batches,
                                     const EvaluationStop& stop) const override {
    const auto start = std::chrono::steady_clock::now();
    const MaskedTokenBatches text = blocks(split);
    const std::int64_t rows = config_.train.batch_size;
    std::int64_t count = (text.evaluation_windows() + rows - 1) / rows;
    if (max_batches > 0) count = std::min(count, max_batches);
    CrossEntropySum sum;
    for (std::int64_t i = 0; i < count; ++i) {
      if (stop(i, count)) return std::nullopt;
      const MaskedTokenBatch batch = text.evaluation_batch(i * rows, rows);
      const auto sums = score_shards<CrossEntropySum>(
          model.config(), config_.train.shards, batch.rows,
          [&](ShardRows shard) { return score(model, predict(model, batch, shard.first, shard.count, Pass{})); });
      for (const CrossEntropySum& part : sums) {
        sum.loss += part.loss;
        sum.counted += part.counted;
        sum.correct += part.correct;
      }
    }
    const auto counted = static_cast<double>(std::max<std::int64_t>(sum.counted, 1));
    const double loss = sum.loss / counted;
    return Evaluation{split,
                      {{"loss", loss},
                       {"perplexity", std::exp(loss)},
                       {"accuracy", static_cast<double>(sum.correct) / counted},
                       {"correct", static_cast<double>(sum.correct)},
                       {"tokens", static_cast<double>(sum.counted)},
                       {"seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()}},
                      {}};
  }

  bool has_split(Split split) const override { return corpora_[split].has_value(); }
  std::vector<std::string> remarks() const override {
    std::vector<std::string> all;
    for (const auto& corpus : corpora_) {
      if (corpus && !corpus->remark.empty()) all.push_back(corpus->remark);
    }
    return all;
  }
  SampleSequence sample(Split split, std::int64_t max_tokens) const override {
    const std::vector<std::int32_t>& all = corpus(split).tokens;
    const auto length = std::min(std::min(max_tokens, config_.task.seq_len) - 1, static_cast<std::int64_t>(all.size()));
    std::vector<std::int32_t> ids(all.begin(), all.begin() + length);
    const std::string text = tokenizer_->decode(ids);
    ids.insert(ids.begin(), special_.class_token);
    return {ids, text};
  }
  std::vector<DataFile> data_files() const override { return data_files_of(config_.task, corpora_); }
  TokenizerFiles tokenizer_files() const override { return tokenizer_->files(); }

 private:
  static MaskedTokens predict(const Model& model, const MaskedTokenBatch& batch, std::int64_t first_row, std::int64_t rows,
                              const Pass& pass) {
    const auto begin = static_cast<std::size_t>(first_row * batch.length),
               size = static_cast<std::size_t>(rows * batch.length);
    const Tensor ids = Tensor::from<std::int32_t>({rows, batch.length}, std::span(batch.inputs).subspan(begin, size));
    return masked_tokens(model, ids, batch.padding(first_row, rows), std::span(batch.targets).subspan(begin, size), pass);
  }

  static CrossEntropySum score(const Model& model, const MaskedTokens& masked) {
    const LinearWeights output = model.lm_head().output(Pass{});
    const Tensor hidden = masked.features.value().contiguous(), weight = output.weight.value(), bias = output.bias.value();
    return dispatch_float(hidden.dtype(), [&]<class T>(T) {
      const LinearCrossEntropy<T> input{hidden.dim(0),
                                        hidden.dim(1),
                                        weight.dim(0),
                                        hidden.data<T>(),
                                        weight.data<T>(),
                                        bias.data<T>(),
                                        masked.targets.data<std::int32_t>()};
      return linear_cross_entropy<T>(input, nullptr, nullptr);
    });
  }

  const TextCorpus& corpus(Split split) const {
    const auto& found = corpora_[split];
    check<InputError>(found.has_value(), "task.", split_name(split), ": the config names no text for this split");
    return *found;
  }

  MaskedTokenBatches blocks(Split split) const {
    return MaskedTokenBatches(corpus(split).tokens, special_, config_.task.seq_len, config_.task.mask_probability,
                              static_cast<std::uint64_t>(config_.train.seed));
  }

  Config config_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  SpecialTokens special_;
  Corpora corpora_;
};

}  // namespace

std::unique_ptr<Task> make_masked_language_modeling(const Config& config) {
  return make_masked_language_modeling(config, make_tokenizer(config.task));
}

std::unique_ptr<Task> make_masked_language_modeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer) {
  return std::make_unique<MaskedLanguageModeling>(config, std::move(tokenizer));
}

}  // namespace cosformer
