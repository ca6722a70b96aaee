#pragma once
/// \file
/// What a run trains on: the interface between the training loop and a kind of data.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/variable.h"
#include "core/communicator.h"
#include "data/split.h"
#include "data/text_streams.h"
#include "data/tokenizers/tokenizer.h"
#include "layers/attention/reweighting_length.h"
#include "layers/model.h"
#include "train/config/config.h"
#include "train/store/run_identity.h"
#include "train/tasks/evaluation.h"
#include "train/tasks/execution.h"

namespace cosformer {

/// What the config names for a split; empty if it names nothing.
const std::string& data_path(const TaskConfig& task, Split split);

/// A batch of training sequences, in its task's own format. It must not outlive the task.
struct TaskBatch {
  virtual ~TaskBatch() = default;
  /// factor · Σ loss over the targets of the rows `shard`. Shards of a step call it at once.
  virtual Variable loss(const Model& model, ShardRows shard, double factor, const Pass& pass) const = 0;
  /// Tokens of each text of a row, by default as many as on average; of a pair of encoder and decoder texts the mean. What a
  /// row costs follows from it.
  virtual std::vector<std::int64_t> text_lengths(std::int64_t) const { return {tokens / std::max<std::int64_t>(rows, 1)}; }

  std::int64_t rows = 0;     ///< sequences
  std::int64_t targets = 0;  ///< what the loss is a mean over
  std::int64_t tokens = 0;   ///< real tokens that the model reads
};

/// Tokens that a model can read by themselves.
struct SampleSequence {
  std::vector<std::int32_t> ids;
  std::string text;  ///< what they stand for; empty where they stand for no text
};

/// Where a sequence stands in the order of the training data.
struct DataPosition {
  std::int64_t epoch = 0;
  std::int64_t position = 0;
};

/// A task holds its data and turns them into batches and figures. Immutable after construction: shards of a step call it at
/// once.
class Task {
 public:
  /// Of a run with `config`.
  explicit Task(const Config& config) : config_(config) {}
  virtual ~Task() = default;

  /// The model config with what the data decides (vocab_size, max_length, num_classes, the length M of a re-weighting)
  /// filled in. Throws InputError if both are given and contradict.
  ModelConfig complete(ModelConfig config) const;
  /// The lengths of its texts.
  virtual TextLengths lengths() const = 0;
  /// A length at which a token costs about as much arithmetic as it does on average over the training sequences.
  virtual std::int64_t typical_length() const { return lengths().seq_len; }

  /// Sequences [first, first + rows) of the training order, a pure function of the config's seed.
  virtual std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const = 0;
  virtual DataPosition position_of(std::int64_t sequence) const = 0;
  /// How sequences follow one another, if each goes on with the state that the one train.batch_size before it has left
  /// (layers/carried_texts.h): the rows of a step are those of all streams. Nothing: each begins anew.
  virtual std::optional<TextStreams> streams() const { return std::nullopt; }
  /// Tokens of the longest text that windows go on with, of the streams and of the validation.
  virtual std::int64_t longest_carried_text() const {
    const std::optional<TextStreams> own = streams();
    return own ? own->stream_length() : 0;
  }

  /// Scores a split in batches of train.batch_size sequences; of more than `max_batches` > 0 batches only the first. Asks
  /// `stop` before each batch and returns nothing if it says true. The last value is "seconds". Throws InputError if the
  /// config names no such split. Collective: each rank, or group of ranks that share
  /// sequences, scores every so many batches, all get the figures that one would find, and `stop` has to say the same on all
  /// of them.
  std::optional<Evaluation> evaluate(const Model& model, Split split, std::int64_t max_batches, const EvaluationStop& stop,
                                     Communicator& ranks) const;
  /// The same by one process.
  std::optional<Evaluation> evaluate(const Model& model, Split split, std::int64_t max_batches,
                                     const EvaluationStop& stop) const {
    return evaluate(model, split, max_batches, stop, *make_single_rank());
  }
  /// The same to the end.
  Evaluation evaluate(const Model& model, Split split, std::int64_t max_batches) const {
    return *evaluate(model, split, max_batches, [](std::int64_t, std::int64_t) { return false; });
  }
  virtual bool has_split(Split split) const = 0;
  /// What a user should know of the data, one line each.
  virtual std::vector<std::string> remarks() const { return {}; }
  /// The first tokens of a split's first sequence, at most `max_tokens`, for looking into a model; no ids if the task has
  /// no such sequence to give. Throws InputError if the config names no such split.
  virtual SampleSequence sample(Split, std::int64_t) const { return {}; }
  /// What the model writes behind `prompt`, at most `max_tokens` drawn with the config's seed; nothing if the task writes no
  /// text. Throws InputError for a prompt that the tokenizer or the model refuses.
  virtual std::optional<std::string> write_sample(const Model&, const std::string&, std::int64_t) const {
    return std::nullopt;
  }

  /// What the task has read, split by split.
  virtual std::vector<DataFile> data_files() const = 0;
  /// What `eval` and `generate` need besides the checkpoint; none if token ids follow from the data's format alone.
  virtual TokenizerFiles tokenizer_files() const = 0;

 protected:
  /// `complete`, but for what follows from `lengths`.
  virtual ModelConfig with_data(ModelConfig config) const = 0;
  /// Sequences of a split, in the order of its evaluation. Throws InputError if the config names no such split.
  virtual std::int64_t evaluation_sequences(Split split) const = 0;
  /// The figures of sequences [first, first + rows) of that order, in a pass without a graph; of ranks that share sequences
  /// (Pass::sequence) those of the first count.
  virtual EvaluationSums score(const Model& model, Split split, std::int64_t first, std::int64_t rows,
                               const Pass& pass) const = 0;
  /// What the figures of the whole split, or of its first batches, say; without "seconds".
  virtual Evaluation summarize(Split split, const EvaluationSums& sums, bool whole) const = 0;

  const Config& config() const { return config_; }

 private:
  Config config_;
};

/// Sets model.vocab_size if it is 0. Throws InputError if it is less than `needed`, which is `whose` in words.
void complete_vocab_size(ModelConfig& model, std::int64_t needed, const std::string& whose);

/// Of what a task has read, on the arithmetic of this process.
RunIdentity identity_of(const Task& task);

/// The names that `task.name` can have.
std::vector<std::string_view> task_names();

/// Whether a task trains the head of masked tokens. Throws InputError for an unknown name.
bool predicts_masked_tokens(const std::string& task_name);

/// Whether a model of a task can go on with a text. Throws InputError for an unknown name.
bool writes_text(const std::string& task_name);

/// Whether training windows of a config go on with the state of the one before. Throws InputError for an unknown name.
bool carries_state(const TaskConfig& task);

/// The names of the values that a whole evaluation of a task has. Throws InputError for an unknown name.
std::vector<std::string_view> task_metrics(const std::string& task_name);

/// The evaluation's value that chooses the best checkpoint of a task. Throws InputError for an unknown name.
std::string selection_metric_of(const std::string& task_name);

/// Whether more is better of a value that an evaluation or a run reports ("accuracy", "tokens_per_second").
bool higher_is_better(std::string_view metric);

/// Reads the data that `config` names. Throws InputError for an unknown task name or unusable data.
std::unique_ptr<Task> make_task(const Config& config);
/// Whether the task's data are labelled sequences, which can be read before there is a tokenizer. Throws InputError for an
/// unknown name.
bool reads_labels(const std::string& task_name);
/// Throws InputError if the data of a run that takes its tokenizer over from another, which need not exist yet, are
/// unusable. Labelled data are read, as bytes if a tokenizer would be made from them; of other tasks the paths must lead
/// somewhere. Returns which data were read, without a tokenizer; of other tasks than `reads_labels` nothing.
RunIdentity check_task_data(const Config& config);

}  // namespace cosformer
