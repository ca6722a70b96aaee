#include "train/tasks/masked_language_modeling.h"

#include <algorithm>
#include <optional>

#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/cross_entropy.h"
#include "data/masked_token_batches.h"
#include "train/tasks/corpus_task.h"
#include "train/tasks/execution.h"
#include "train/tasks/task_tokenizer.h"
#include "train/tasks/token_scores.h"

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

MaskedTokens predict(const Model& model, const MaskedTokenBatch& batch, ShardRows rows, const Pass& pass) {
  const auto begin = static_cast<std::size_t>(rows.first * batch.length),
             size = static_cast<std::size_t>(rows.count * batch.length);
  const Tensor ids = Tensor::from<std::int32_t>({rows.count, batch.length}, std::span(batch.inputs).subspan(begin, size));
  return masked_tokens(model, ids, batch.padding(rows.first, rows.count), std::span(batch.targets).subspan(begin, size),
                       pass);
}

CrossEntropySum score_masked(const Model& model, const MaskedTokens& masked) {
  const LinearWeights output = model.lm_head().output(Pass{});
  return score_tokens(masked.features.value(), output.weight.value(), output.bias.value(), masked.targets);
}

struct MaskedBatch : TaskBatch {
  MaskedTokenBatch blocks;
  Variable loss(const Model& model, ShardRows shard, double factor, const Pass& pass) const override {
    return masked_token_loss(model, predict(model, blocks, shard, pass), factor, pass);
  }
};

class MaskedLanguageModeling : public CorpusTask {
 public:
  MaskedLanguageModeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer)
      : CorpusTask(config), special_(special_tokens_of(config.task, *tokenizer)) {
    check<InputError>(config.model.kind == ModelKind::encoder, "model.kind: masked_language_modeling needs \"encoder\"");
    check<InputError>(!config.task.document_boundaries,
                      "task.document_boundaries: masked_language_modeling reads across documents");
    read_texts(std::move(tokenizer));
  }

  ModelConfig with_data(ModelConfig model) const override {
    complete_vocab_size(model, special_.vocab_size,
                        concat("tokenizer's ", tokenizer().vocab_size(), " and ",
                               special_.vocab_size - special_.tokenizer_vocab_size, " special tokens"));
    if (model.max_length == 0) model.max_length = config().task.seq_len;
    model.lm_head = true;
    return model;
  }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    auto batch = std::make_unique<MaskedBatch>();
    batch->blocks = blocks(epoch_text()).batch(first, rows);
    batch->rows = rows;
    batch->targets = batch->blocks.masked;
    batch->tokens = batch->blocks.tokens;
    return batch;
  }

  SampleSequence sample(Split split, std::int64_t max_tokens) const override {
    const TokenArray& all = corpus(split).tokens;
    std::vector<std::int32_t> ids = all.part(0, std::min(std::min(max_tokens, config().task.seq_len) - 1, all.size()));
    const std::string text = tokenizer().decode(ids);
    ids.insert(ids.begin(), special_.class_token);
    return {ids, text};
  }

 protected:
  std::int64_t sequences_in_epoch() const override { return blocks(epoch_text()).sequences_in_epoch(); }
  std::int64_t evaluation_sequences(Split split) const override { return blocks(split).evaluation_windows(); }

  /// [loss, targets, correct]
  EvaluationSums score(const Model& model, Split split, std::int64_t first, std::int64_t rows,
                       const Pass& pass) const override {
    const MaskedTokenBatch batch = blocks(split).evaluation_batch(first, rows);
    return score_shards(model.config(), config().train, rows, [&](ShardRows shard) {
      return sums_of_tokens(score_masked(model, predict(model, batch, shard, pass)));
    });
  }

  Evaluation summarize(Split split, const EvaluationSums& sums, bool) const override {
    return summarize_tokens(split, sums);
  }

 private:
  /// Of a split as its text stands.
  MaskedTokenBatches blocks(Split split) const { return blocks(EpochText(corpus(split).tokens)); }
  MaskedTokenBatches blocks(const EpochText& text) const {
    return MaskedTokenBatches(text, special_, config().task.seq_len, config().task.mask_probability,
                              static_cast<std::uint64_t>(config().train.seed));
  }

  SpecialTokens special_;
};

}  // namespace

std::unique_ptr<Task> make_masked_language_modeling(const Config& config) {
  return make_masked_language_modeling(config, make_tokenizer(config.task));
}

std::unique_ptr<Task> make_masked_language_modeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer) {
  return std::make_unique<MaskedLanguageModeling>(config, std::move(tokenizer));
}

}  // namespace cosformer
