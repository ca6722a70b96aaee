#include "train/tasks/task.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <span>

#include "core/clock.h"
#include "core/missing_path.h"
#include "core/named_table.h"
#include "data/corpus/text_files.h"
#include "data/texts/labelled_texts.h"
#include "layers/sequence/sequence_group.h"
#include "train/tasks/attention_transfer.h"
#include "train/tasks/classification.h"
#include "train/tasks/cut_check.h"
#include "train/tasks/language_modeling.h"
#include "train/tasks/masked_language_modeling.h"
#include "train/tasks/recall.h"
#include "train/tasks/task_tokenizer.h"
#include "train/tasks/text_classification.h"
#include "train/tasks/translation.h"

namespace cosformer {

namespace {

using Metrics = std::span<const std::string_view>;
constexpr std::string_view kLanguageMetrics[] = {"loss",          "perplexity", "word_perplexity",
                                                 "bits_per_byte", "tokens",     "seconds"};
constexpr std::string_view kMaskedMetrics[] = {"loss", "perplexity", "accuracy", "correct", "tokens", "seconds"};
constexpr std::string_view kTranslationMetrics[] = {"loss",  "perplexity", "bleu",   "length_ratio",
                                                    "exact", "sentences",  "tokens", "seconds"};
constexpr std::string_view kTransferMetrics[] = {"loss", "token_loss", "teacher_token_loss", "tokens", "seconds"};
constexpr std::string_view kClassMetrics[] = {"loss",     "accuracy", "accuracy_low", "accuracy_high",
                                              "examples", "correct",  "tokens",       "seconds"};

struct TaskKind {
  const char* name;
  std::unique_ptr<Task> (*make)(const Config&);
  bool predicts_masked_tokens = false;
  const char* selection_metric = "accuracy";
  Metrics metrics = kClassMetrics;
  bool paths_are_prefixes = false;  ///< of the files' names
  bool writes_text = false;
  bool carries_state = false;  ///< reads task.carry_state
  bool is_labelled = false;    ///< reads examples with their classes
};
/// Values of which more is better; of all others less is.
constexpr std::string_view kHigherIsBetter[] = {"accuracy", "accuracy_low", "accuracy_high", "correct",
                                                "f1",       "bleu",         "exact",         "tokens_per_second"};

/// The tasks, those of labelled data under the names of their formats.
const std::vector<TaskKind>& task_kinds() {
  static const std::vector<TaskKind> kinds = [] {
    std::vector<TaskKind> all = {
        {"language_modeling", make_language_modeling, false, "loss", kLanguageMetrics, false, true, true},
        {"masked_language_modeling", make_masked_language_modeling, true, "loss", kMaskedMetrics},
        {"attention_transfer", make_attention_transfer, false, "loss", kTransferMetrics, false, true},
        {"recall", make_recall, false, "accuracy", kMaskedMetrics},
        {"translation", make_translation, false, "bleu", kTranslationMetrics, true}};
    for (const LabelledFormat& format : labelled_formats())
      all.push_back({.name = format.name, .make = make_classification, .is_labelled = true});
    for (const LabelledTextFormat& format : labelled_text_formats())
      all.push_back({.name = format.name, .make = make_text_classification, .is_labelled = true});
    return all;
  }();
  return kinds;
}

const TaskKind& find_task_kind(const std::string& name) { return find_named(task_kinds(), name, "task.name"); }

bool is_missing(const std::string& path) {
  std::error_code error;
  return !path.empty() && !std::filesystem::exists(path, error) && !error;
}

/// Throws InputError with the key of a path that leads nowhere.
void check_paths(const TaskConfig& task, bool are_prefixes) {
  for (const Split split : kAllSplits) {
    const std::string& path = data_path(task, split);
    check<InputError>(are_prefixes || is_pattern(path) || !is_missing(path), "task.", split_name(split), ": ", path,
                      ": no such file or folder", missing_path_hint(path));
  }
  check<InputError>(!is_missing(task.teacher), "task.teacher: ", task.teacher, ": no such run or checkpoint",
                    missing_path_hint(task.teacher));
  check<InputError>(!is_missing(task.tokenizer_folder), "task.tokenizer_folder: ", task.tokenizer_folder, ": no such folder",
                    missing_path_hint(task.tokenizer_folder));
}

}  // namespace

ModelConfig Task::complete(ModelConfig config) const {
  config = with_data(std::move(config));
  config.attention = settle_reweighting_length(config.attention, config.kind, lengths());
  return config;
}

const std::string& data_path(const TaskConfig& task, Split split) {
  return split == Split::train ? task.train : split == Split::valid ? task.valid : task.test;
}

std::optional<Evaluation> Task::evaluate(const Model& model, Split split, std::int64_t max_batches,
                                         const EvaluationStop& stop, Communicator& ranks) const {
  const double start = now_seconds();
  const std::int64_t sequences = evaluation_sequences(split), batch_size = config_.train.batch_size;
  const std::int64_t all = (sequences + batch_size - 1) / batch_size;
  const std::int64_t batches = max_batches > 0 ? std::min(all, max_batches) : all;
  EvaluationSums sums;
  std::optional<SequenceGroup> sequence;
  if (config_.train.sequence_ranks > 0) {
    check_can_cut(model.config());
    // A run on fewer ranks than it was trained on finds the same.
    sequence.emplace(ranks, static_cast<int>(std::gcd(config_.train.sequence_ranks, std::int64_t{ranks.size()})));
  }
  const Pass pass{.sequence = sequence ? &*sequence : nullptr};
  // One batch per rank or group at a time; their figures are added in the order of the batches.
  const std::int64_t members = sequence ? sequence->members() : 1;
  for (std::int64_t i = 0; i < batches; i += ranks.size() / members) {
    if (stop(i, batches)) return std::nullopt;
    EvaluationSums own;
    if (const std::int64_t batch = i + ranks.rank() / members; batch < batches) {
      const std::int64_t first = batch * batch_size;
      own = score(model, split, first, std::min(batch_size, sequences - first), pass);
      if (sequence && !sequence->is_first()) own.clear();
    }
    for (const EvaluationSums& part : gather_numbers(ranks, own)) {
      if (!part.empty()) add_sums(sums, part);
    }
  }
  Evaluation result = summarize(split, sums, max_batches == 0);
  result.values.emplace_back("seconds", now_seconds() - start);
  return result;
}

void complete_vocab_size(ModelConfig& model, std::int64_t needed, const std::string& whose) {
  check<InputError>(model.vocab_size == 0 || model.vocab_size >= needed, "model.vocab_size: ", model.vocab_size,
                    " is less than the ", whose);
  if (model.vocab_size == 0) model.vocab_size = needed;
}

RunIdentity identity_of(const Task& task) {
  return make_identity(task.data_files(), task.tokenizer_files(), this_arithmetic());
}

std::vector<std::string_view> task_names() {
  std::vector<std::string_view> names;
  names.reserve(task_kinds().size());
  for (const TaskKind& kind : task_kinds()) names.emplace_back(kind.name);
  return names;
}

bool predicts_masked_tokens(const std::string& task_name) { return find_task_kind(task_name).predicts_masked_tokens; }

bool writes_text(const std::string& task_name) { return find_task_kind(task_name).writes_text; }

bool carries_state(const TaskConfig& task) { return task.carry_state && find_task_kind(task.name).carries_state; }

std::vector<std::string_view> task_metrics(const std::string& task_name) {
  const Metrics metrics = find_task_kind(task_name).metrics;
  std::vector<std::string_view> names(metrics.begin(), metrics.end());
  const LabelledTextFormat* format = find_labelled_text_format(task_name);
  if (format != nullptr && format->positive_class >= 0) names.insert(names.begin() + 4, "f1");
  return names;
}

std::string selection_metric_of(const std::string& task_name) { return find_task_kind(task_name).selection_metric; }

bool higher_is_better(std::string_view metric) {
  return std::ranges::find(kHigherIsBetter, metric) != std::end(kHigherIsBetter);
}

std::unique_ptr<Task> make_task(const Config& config) {
  const TaskKind& kind = find_task_kind(config.task.name);
  check_paths(config.task, kind.paths_are_prefixes);
  return kind.make(config);
}

bool reads_labels(const std::string& task_name) { return find_task_kind(task_name).is_labelled; }

RunIdentity check_task_data(const Config& config) {
  const TaskKind& kind = find_task_kind(config.task.name);
  check_paths(config.task, kind.paths_are_prefixes);
  if (!kind.is_labelled) return {};
  Config own = config;
  if (!has_tokenizer_files(own.task)) own.task.tokenizer = "byte";
  // What the run itself takes over from the other one.
  own.model.vocab_size = own.model.max_length = 0;
  const std::unique_ptr<Task> task = kind.make(own);
  task->complete(own.model);
  task->training_batch(0, own.train.batch_size);
  return make_identity(task->data_files(), {}, this_arithmetic());
}

}  // namespace cosformer
