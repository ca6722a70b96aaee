#include "train/tasks/attention_transfer.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "core/error.h"
#include "data/language_model_batches.h"
#include "layers/attention_transfer.h"
#include "train/tasks/corpus_task.h"
#include "train/tasks/execution.h"
#include "train/tasks/loaded_model.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

namespace {

/// Windows of a text, some of them with nothing at their end.
struct Windows {
  Tensor inputs;   ///< [B, T]
  Tensor targets;  ///< [B · T], kIgnoredTarget where there is none
  Tensor places;   ///< rows of [B · T] with a target; undefined: all
};

Windows windows_of(const TokenBatch& batch, ShardRows rows) {
  const auto begin = static_cast<std::size_t>(rows.first * batch.length),
             size = static_cast<std::size_t>(rows.count * batch.length);
  const auto targets = std::span(batch.targets).subspan(begin, size);
  Windows windows{Tensor::from<std::int32_t>({rows.count, batch.length}, std::span(batch.inputs).subspan(begin, size)),
                  Tensor::from<std::int32_t>({rows.count * batch.length}, targets),
                  {}};
  std::vector<std::int32_t> places;
  for (std::size_t place = 0; place < size; ++place) {
    if (targets[place] != kIgnoredTarget) places.push_back(static_cast<std::int32_t>(place));
  }
  if (places.size() < size) {
    windows.places =
        Tensor::from<std::int32_t>({static_cast<std::int64_t>(places.size())}, std::span<const std::int32_t>(places));
  }
  return windows;
}

/// The decoder that is imitated, and where it lies.
struct Teacher {
  std::shared_ptr<const Model> model;
  DataFile file;
};

Teacher read_teacher(const Config& config) {
  const bool has_key = !config.task.teacher.empty();
  const char* key = has_key ? "task.teacher" : "train.init_from";
  const std::string& path = has_key ? config.task.teacher : config.train.init_from;
  try {
    // What there is to warn of has been said where the initial weights were read.
    const ModelFile file = read_model_file(path, std::nullopt, {}, [](const std::string&) {});
    const ModelConfig &own = config.model, &theirs = file.config.model;
    const auto check_same = [&](const char* name, std::int64_t mine, std::int64_t other) {
      check<InputError>(mine == other, file.weights.string(), ": model.", name, " is ", other, " there and ", mine,
                        " in this config");
    };
    check<InputError>(theirs.kind == ModelKind::decoder, file.weights.string(), ": expected a decoder");
    check_same("num_layers", own.num_layers, theirs.num_layers);
    check_same("embed_dim", own.embed_dim, theirs.embed_dim);
    DigestBuilder digest;
    for (const auto& [name, tensor] : file.parameters) {
      const Tensor dense = tensor.to(DType::float32).contiguous();
      digest.add(name);
      digest.add(std::as_bytes(std::as_const(dense).span<float>()));
    }
    return {make_model(file, theirs), {"teacher", file.weights.string(), digest.digest()}};
  } catch (const InputError& error) {
    throw InputError(concat(key, ": ", error.what()));
  }
}

class TransferBatch : public TaskBatch {
 public:
  TransferBatch(TokenBatch windows, std::shared_ptr<const Model> teacher)
      : windows_(std::move(windows)), teacher_(std::move(teacher)) {}

  Variable loss(const Model& model, ShardRows shard, double factor, const Pass& pass) const override {
    const Windows text = windows_of(windows_, shard);
    const ModelConfig& config = model.config();
    const double share = factor / static_cast<double>(config.embed_dim * config.num_layers);
    const std::vector<Variable> layers = transfer_errors(model, *teacher_, text.inputs, text.places, share, pass).layers;
    return std::accumulate(layers.begin() + 1, layers.end(), layers.front(),
                           [](const Variable& sum, const Variable& layer) { return add(sum, layer); });
  }

 private:
  TokenBatch windows_;
  std::shared_ptr<const Model> teacher_;
};

class AttentionTransfer : public CorpusTask {
 public:
  explicit AttentionTransfer(const Config& config) : CorpusTask(config) {
    check<InputError>(config.model.kind == ModelKind::decoder && config.model.num_layers > 0,
                      "model.kind: attention_transfer needs a \"decoder\" with layers");
    check<InputError>(config.train.sequence_ranks == 0,
                      "train.sequence_ranks: attention_transfer reads sequences as a whole; expected 0");
    check<InputError>(!config.train.init_from.empty(),
                      "train.init_from: attention_transfer begins with the weights of a run or checkpoint; found none");
    teacher_ = read_teacher(config);
    check<InputError>(!config.task.document_boundaries,
                      "task.document_boundaries: attention_transfer reads across documents");
    read_texts(make_tokenizer(config.task));
  }

  ModelConfig with_data(ModelConfig model) const override {
    const ModelConfig& theirs = teacher_.model->config();
    complete_vocab_size(model, tokenizer().vocab_size(), concat("tokenizer's ", tokenizer().vocab_size()));
    check<InputError>(model.vocab_size <= theirs.vocab_size, "model.vocab_size: ", model.vocab_size,
                      " is more than the teacher's ", theirs.vocab_size);
    if (model.max_length == 0) model.max_length = config().task.seq_len;
    return model;
  }

  std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const override {
    TokenBatch windows = batches(epoch_text()).batch(first, rows);
    const std::int64_t predicted = windows.predicted;
    auto batch = std::make_unique<TransferBatch>(std::move(windows), teacher_.model);
    batch->rows = rows;
    batch->targets = batch->tokens = predicted;
    return batch;
  }

  std::vector<DataFile> data_files() const override {
    std::vector<DataFile> files = CorpusTask::data_files();
    files.push_back(teacher_.file);
    return files;
  }

 protected:
  std::int64_t sequences_in_epoch() const override { return batches(epoch_text()).sequences_in_epoch(); }
  std::int64_t evaluation_sequences(Split split) const override { return batches(split).evaluation_windows(); }

  /// [error of each layer .., loss of the student, of the teacher, targets]
  EvaluationSums score(const Model& model, Split split, std::int64_t first, std::int64_t rows,
                       const Pass& pass) const override {
    const TokenBatch batch = batches(split).evaluation_batch(first, rows);
    const Model& teacher = *teacher_.model;
    const std::int64_t width = model.config().embed_dim;
    EvaluationSums all = score_shards(model.config(), config().train, rows, [&](ShardRows shard) {
      const Windows text = windows_of(batch, shard);
      const TransferErrors errors =
          transfer_errors(model, teacher, text.inputs, text.places, 1.0 / static_cast<double>(width), pass);
      EvaluationSums sums;
      for (const Variable& layer : errors.layers) sums.push_back(layer.value().item());
      const auto token_loss = [&](const Model& of, const Variable& hidden) {
        return of.token_loss(reshape(hidden, {text.targets.size(), width}), text.targets, 1.0, pass).value().item();
      };
      sums.push_back(token_loss(model, model.decode(text.inputs, nullptr, {}, pass)));
      sums.push_back(token_loss(teacher, errors.teacher_hidden));
      return sums;
    });
    all.push_back(static_cast<double>(batch.predicted));
    return all;
  }

  Evaluation summarize(Split split, const EvaluationSums& sums, bool) const override {
    const double targets = sums.back();
    const std::size_t layers = sums.size() - 3;
    const auto mean = [&](std::size_t place) { return targets > 0 ? sums[place] / targets : 0.0; };
    Evaluation result{split, {{"loss", 0.0}, {"token_loss", mean(layers)}, {"teacher_token_loss", mean(layers + 1)}}, {}};
    for (std::size_t layer = 0; layer < layers; ++layer) {
      result.values.front().second += mean(layer) / static_cast<double>(layers);
      result.values.emplace_back(concat("layer_", layer), mean(layer));
    }
    result.values.emplace_back("tokens", targets);
    return result;
  }

 private:
  /// Of a split as its text stands.
  LanguageModelBatches batches(Split split) const { return batches(EpochText(corpus(split).tokens)); }
  LanguageModelBatches batches(const EpochText& text) const {
    return LanguageModelBatches(text, config().task.seq_len, static_cast<std::uint64_t>(config().train.seed));
  }

  Teacher teacher_;
};

}  // namespace

std::unique_ptr<Task> make_attention_transfer(const Config& config) { return std::make_unique<AttentionTransfer>(config); }

}  // namespace cosformer
