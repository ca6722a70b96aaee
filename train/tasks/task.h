#pragma once
/// \file
/// What a run trains on: the interface between the training loop and a kind of data.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/variable.h"
#include "data/split.h"
#include "data/tokenizers/tokenizer.h"
#include "layers/attention/reweighting_length.h"
#include "layers/model.h"
#include "train/config/config.h"
#include "train/store/run_identity.h"
#include "train/tasks/accuracy.h"

namespace cosformer {

/// What the config names for a split; empty if it names nothing.
const std::string& data_path(const TaskConfig& task, Split split);

/// A batch in a task's own format.
struct TaskBatch {
  virtual ~TaskBatch() = default;
  std::int64_t rows = 0;     ///< sequences
  std::int64_t targets = 0;  ///< what the loss is a mean over
  std::int64_t tokens = 0;   ///< real tokens that the model reads
};

/// What an evaluation found, in the order to report it.
struct Evaluation {
  Split split = Split::valid;
  std::vector<std::pair<std::string, double>> values;
  std::vector<ClassCount> classes;  ///< of a classification, by label

  /// The value of a name. Throws Error where there is none.
  double value(const std::string& name) const;
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

/// Asked before each batch of an evaluation how many are done of how many; true ends it.
using EvaluationStop = std::function<bool(std::int64_t done, std::int64_t batches)>;

/// A task holds its data and turns batches into losses. Immutable after construction: shards of a step call it at once.
class Task {
 public:
  virtual ~Task() = default;

  /// The model config with what the data decides (vocab_size, max_length, num_classes, the length M of a re-weighting)
  /// filled in. Throws InputError where both are given and contradict.
  ModelConfig complete(ModelConfig config) const;
  /// The lengths of its texts.
  virtual TextLengths lengths() const = 0;
  /// A length at which a token costs about as much arithmetic as it does on average over the training sequences.
  virtual std::int64_t typical_length() const { return lengths().seq_len; }

  /// Sequences [first, first + rows) of the training order, a pure function of the config's seed.
  virtual std::unique_ptr<TaskBatch> training_batch(std::int64_t first, std::int64_t rows) const = 0;
  virtual DataPosition position_of(std::int64_t sequence) const = 0;
  /// factor · Σ loss over the targets of rows [first_row, first_row + rows).
  virtual Variable loss(const Model& model, const TaskBatch& batch, std::int64_t first_row, std::int64_t rows, double factor,
                        const Pass& pass) const = 0;

  /// Scores a split; of more than `max_batches` > 0 batches only the first. Asks `stop` before each batch and returns
  /// nothing where it says true. Throws InputError where the config names no such split.
  virtual std::optional<Evaluation> evaluate(const Model& model, Split split, std::int64_t max_batches,
                                             const EvaluationStop& stop) const = 0;
  /// The same to the end.
  Evaluation evaluate(const Model& model, Split split, std::int64_t max_batches) const {
    return *evaluate(model, split, max_batches, [](std::int64_t, std::int64_t) { return false; });
  }
  virtual bool has_split(Split split) const = 0;
  /// What a user should know of the data, a line each.
  virtual std::vector<std::string> remarks() const { return {}; }
  /// The first tokens of a split's first sequence, at most `max_tokens`, for looking into a model; no ids where the task has
  /// no such sequence to give. Throws InputError where the config names no such split.
  virtual SampleSequence sample(Split, std::int64_t) const { return {}; }
  /// What the model writes behind `prompt`, at most `max_tokens` drawn with the config's seed; nothing if the task writes no
  /// text. Throws InputError for a prompt that the tokenizer or the model refuses.
  virtual std::optional<std::string> write_sample(const Model&, const std::string&, std::int64_t) const {
    return std::nullopt;
  }

  /// What the task has read, split by split.
  virtual std::vector<DataFile> data_files() const = 0;
  /// What `eval` and `generate` need besides the checkpoint; none where token ids follow from the data's format alone.
  virtual TokenizerFiles tokenizer_files() const = 0;

 protected:
  /// `complete`, but for what follows from `lengths`.
  virtual ModelConfig with_data(ModelConfig config) const = 0;
};

/// Of what a task has read, on the arithmetic of this process.
RunIdentity identity_of(const Task& task);

/// Whether a task trains the head of masked tokens. Throws InputError for an unknown name.
bool predicts_masked_tokens(const std::string& task_name);

/// The names of the values that a whole evaluation of a task has. Throws InputError for an unknown name.
std::vector<std::string_view> task_metrics(const std::string& task_name);

/// The evaluation's value that chooses the best checkpoint of a task. Throws InputError for an unknown name.
std::string selection_metric_of(const std::string& task_name);

/// Whether more is better of a value that an evaluation or a run reports ("accuracy", "tokens_per_second").
bool higher_is_better(std::string_view metric);

/// Reads the data that `config` names. Throws InputError for an unknown task name or unusable data.
std::unique_ptr<Task> make_task(const Config& config);

}  // namespace cosformer
