#include "train/cli/bench/random_tokens.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "autograd/profile.h"
#include "core/error.h"
#include "core/kernels/cross_entropy.h"
#include "core/named_table.h"
#include "core/random.h"
#include "layers/sequence/model_in_parts.h"
#include "train/tasks/masked_language_modeling.h"

namespace cosformer {

namespace {

/// Texts of a sequence.
std::int64_t texts_of(const ModelConfig& config) { return config.pair_features == PairFeatures::none ? 1 : 2; }

struct RandomBatch : TaskBatch {
  Tensor inputs;  ///< int32 [rows, seq_len], or of pairs [rows, 2 · seq_len]
  Tensor wanted;  ///< int32: a token for each input, or a class per row [rows, 1]

  Variable loss(const Model& model, ShardRows shard, double factor, const Pass& pass) const override {
    if (Profile* profile = active_profile()) profile->start();
    const ModelConfig& config = model.config();
    const Tensor ids = inputs.narrow(0, shard.first, shard.count);
    const Tensor predicted = wanted.narrow(0, shard.first, shard.count).reshape({shard.count * wanted.dim(1)});
    if (config.lm_head) {
      const MaskedTokens masked = masked_tokens(model, ids, nullptr, predicted.span<std::int32_t>(), pass);
      return masked_token_loss(model, masked, factor, pass);
    }
    if (config.kind == ModelKind::encoder) {
      // Which of the random texts are a pair does not matter.
      const std::int64_t texts = shard.count * texts_of(config);
      const Tensor each = ids.reshape({texts, ids.size() / texts});
      return cross_entropy(class_scores(model, each, nullptr, pass), predicted, factor);
    }
    if (config.kind == ModelKind::decoder) return decoder_loss(model, ids, predicted.reshape(ids.shape()), factor, pass);
    const EncoderOutput encoder{model.encode(ids, nullptr, pass), nullptr};
    const Variable hidden = model.decode(ids, nullptr, encoder, pass);
    return model.token_loss(reshape(hidden, {predicted.size(), config.embed_dim}), predicted, factor, pass);
  }
};

/// Vocabulary of a tokenizer whose data is not looked at.
struct TokenizerVocabulary {
  const char* name;
  std::int64_t size;
};
constexpr TokenizerVocabulary kVocabularies[] = {{"byte", 256}, {"char", 256}, {"word", 8192}, {"bpe", 8192}};

/// More than a measurement has steps.
constexpr std::int64_t kManyWindows = 10'000'000;

class RandomTokens : public Task {
 public:
  explicit RandomTokens(const Config& config) : Task(config), model_(complete(config.model)) {
    check<InputError>(model_.kind != ModelKind::encoder || model_.lm_head || model_.num_classes > 0,
                      "model.num_classes: an encoder is measured as a classifier; expected at least 1, found 0");
  }

  ModelConfig with_data(ModelConfig model) const override {
    const std::int64_t stated = config().task.tokenizer_vocab_size;
    if (model.vocab_size == 0) {
      model.vocab_size = stated > 0 ? stated : find_named(kVocabularies, config().task.tokenizer, "task.tokenizer").size;
    }
    if (model.max_length == 0) model.max_length = config().task.seq_len;
    if (predicts_masked_tokens(config().task.name)) model.lm_head = true;
    return model;
  }

  /// Texts that last as long as the measurement, or as far as a stated M reaches.
  std::optional<TextStreams> streams() const override {
    if (!carries_state(config().task)) return std::nullopt;
    const AttentionConfig& attention = config().model.attention;
    const std::int64_t length = config().task.seq_len, rows = config().train.batch_size;
    const std::int64_t windows = attention.reweighting_length == ReweightingLength::fixed
                                     ? std::clamp<std::int64_t>(attention.reweighting_length_value / length, 2, kManyWindows)
                                     : kManyWindows;
    return TextStreams(windows * length * rows, length, rows, 0);
  }

  TextLengths lengths() const override { return {.seq_len = config().task.seq_len}; }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    auto batch = std::make_unique<RandomBatch>();
    const std::int64_t length = config().task.seq_len;
    batch->inputs = draw("inputs", first, rows, length * texts_of(model_), model_.vocab_size);
    batch->wanted = is_classifier() ? draw("classes", first, rows, 1, model_.num_classes)
                                    : draw("targets", first, rows, length, model_.vocab_size);
    if (model_.lm_head) keep_masked(first, batch->wanted);
    const auto wanted = batch->wanted.span<std::int32_t>();
    batch->rows = rows;
    batch->targets = static_cast<std::int64_t>(wanted.size()) - std::ranges::count(wanted, kIgnoredTarget);
    batch->tokens = rows * length * texts_of(model_);
    return batch;
  }

  DataPosition position_of(std::int64_t sequence) const override { return {0, sequence}; }

  bool has_split(Split) const override { return false; }
  std::vector<DataFile> data_files() const override { return {}; }
  TokenizerFiles tokenizer_files() const override { return {}; }

 protected:
  [[noreturn]] std::int64_t evaluation_sequences(Split) const override { refuse(); }
  [[noreturn]] EvaluationSums score(const Model&, Split, std::int64_t, std::int64_t, const Pass&) const override {
    refuse();
  }
  [[noreturn]] Evaluation summarize(Split, const EvaluationSums&, bool) const override { refuse(); }

 private:
  [[noreturn]] static void refuse() { throw Error("random tokens have no splits to evaluate"); }

  bool is_classifier() const { return model_.kind == ModelKind::encoder && !model_.lm_head; }

  /// Leaves the targets of task.mask_probability of the positions, and of the first of each row.
  void keep_masked(std::int64_t first, Tensor& targets) const {
    const Random random(static_cast<std::uint64_t>(config().train.seed), "masked");
    const std::int64_t length = targets.dim(1);
    std::int32_t* values = targets.data<std::int32_t>();
    for (std::int64_t i = 0; i < targets.size(); ++i) {
      const bool chosen = random.uniform(static_cast<std::uint64_t>(first * length + i)) < config().task.mask_probability;
      if (i % length != 0 && !chosen) values[i] = kIgnoredTarget;
    }
  }

  /// Rows [first, first + rows) of an endless array of ids below `bound`: all as likely, or falling as 1 / (id + 1) if
  /// the vocabulary is in bands, whose use depends on it.
  Tensor draw(const char* purpose, std::int64_t first, std::int64_t rows, std::int64_t length, std::int64_t bound) const {
    const Random random(static_cast<std::uint64_t>(config().train.seed), purpose);
    Tensor ids = Tensor::empty({rows, length}, DType::int32);
    std::int32_t* out = ids.data<std::int32_t>();
    const bool falling = !model_.adaptive_cutoffs.empty();
    for (std::int64_t i = 0; i < rows * length; ++i) {
      const auto index = static_cast<std::uint64_t>(first * length + i);
      const double power = falling ? std::pow(static_cast<double>(bound) + 1, random.uniform(index)) - 1 : 0;
      out[i] = static_cast<std::int32_t>(
          falling ? std::min(static_cast<std::int64_t>(power), bound - 1)
                  : static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(bound), index)));
    }
    return ids;
  }

  ModelConfig model_;
};

}  // namespace

std::unique_ptr<Task> make_random_tokens(const Config& config) { return std::make_unique<RandomTokens>(config); }

}  // namespace cosformer
