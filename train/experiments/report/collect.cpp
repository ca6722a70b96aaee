#include "train/experiments/report/collect.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "train/config/schema.h"
#include "train/experiments/run_log.h"
#include "train/experiments/sweep_results.h"
#include "train/store/checkpoint_store.h"
#include "train/store/safetensors_header.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultMetric = "loss";

/// How the run judges its evaluations, as far as its newest readable checkpoint tells.
struct Selection {
  std::optional<double> best;
  std::int64_t step = 0;
  bool higher_is_better = false;
};

/// Beside it, `warnings` names each checkpoint whose state cannot be read: what it says of the best is then not known.
std::optional<Selection> read_selection(const fs::path& run, std::vector<std::string>& warnings) {
  std::optional<Selection> selection;
  for (const std::int64_t step : list_checkpoints(run / "checkpoints")) {
    const fs::path checkpoint = run / "checkpoints" / checkpoint_name(step);
    try {
      const RunState state = read_state_document(checkpoint).state;
      selection = Selection{state.best_metric, state.best_step, state.higher_is_better};
    } catch (const InputError& error) {
      // A run at work deletes checkpoints.
      if (fs::exists(checkpoint)) {
        warnings.push_back(concat("checkpoint ", checkpoint_name(step), " cannot be used: ", error.what()));
      }
    }
  }
  return selection;
}

std::optional<std::int64_t> count_parameters(const fs::path& run) {
  std::vector<std::int64_t> steps = list_checkpoints(run / "checkpoints");
  if (steps.empty()) return std::nullopt;
  try {
    std::int64_t elements = 0;
    for (const TensorInfo& tensor :
         read_safetensors_header(run / "checkpoints" / checkpoint_name(steps.back()) / kModelFile).tensors) {
      elements += tensor.shape.size();
    }
    return elements;
  } catch (const InputError&) {
    return std::nullopt;
  }
}

/// The name of the value by which the best evaluation was chosen: the one that has the best value at the best step.
std::string selection_metric(const ReportedRun& run, const Selection& selection) {
  for (const MetricRecord& record : run.metrics) {
    if (record.split != "valid" || record.step != selection.step) continue;
    for (const auto& [name, value] : record.values) {
      if (selection.best && value == *selection.best) return name;
    }
  }
  return kDefaultMetric;
}

/// Scores and values of a run that has no result.json: what its metrics say.
void take_from_metrics(ReportedRun& run, const std::optional<Selection>& selection) {
  if (run.metrics.empty()) return;
  const MetricRecord *best = nullptr, *last = nullptr;
  for (const MetricRecord& record : run.metrics) {
    if (record.split != "valid") continue;
    last = &record;
    const double loss = record.value("loss");
    const bool chosen = selection && selection->best ? record.step == selection->step
                                                     : std::isfinite(loss) && (!best || loss < best->value("loss"));
    if (chosen) best = &record;
  }
  const auto add = [&](const char* name, double value) { run.values.emplace_back(name, value); };
  add("steps", static_cast<double>(run.metrics.back().step));
  if (best) {
    run.scores["valid"] = best->values;
    add("best_step", static_cast<double>(best->step));
  } else if (last) {
    // No evaluation was finite: there is no best, and the last shows what there is.
    run.scores["valid"] = last->values;
  }
  add("seconds", run.metrics.back().value("wall_seconds"));
  if (const auto speed = median_training_speed(run.metrics)) add("tokens_per_second", *speed);
  if (const auto parameters = count_parameters(run.folder)) add("parameters", static_cast<double>(*parameters));
}

/// Whether the evaluation that ends a training is there, or none was to come.
bool has_last_evaluation(const ReportedRun& run) {
  return run.config->task.valid.empty() || std::ranges::any_of(run.metrics, [&](const MetricRecord& record) {
           return record.split == "valid" && record.step >= run.config->train.max_steps;
         });
}

void decide_status(ReportedRun& run, const RunLog& log) {
  const std::int64_t step = run.metrics.empty() ? 0 : run.metrics.back().step;
  const std::string progress = run.config ? concat("step ", step, " of ", run.config->train.max_steps) : std::string();
  if (is_being_written(run.folder)) {
    run.status = RunStatus::running;
    run.reason = progress;
  } else if (run.config && step >= run.config->train.max_steps && has_last_evaluation(run)) {
    run.status = RunStatus::finished;
  } else {
    // Patience and time limits end a run as its config wants, and the last steps of a finished one need not be logged; what
    // the log says last tells these from other ends.
    const bool by_limit = log.last_line.find(": stopped: ") != std::string::npos ||
                          log.last_line.find(concat(": finished after ", run.config ? run.config->train.max_steps : 0,
                                                    " steps")) != std::string::npos;
    run.status = by_limit ? RunStatus::finished : RunStatus::stopped;
    run.reason = concat(progress, log.last_line.empty() ? "" : "; ", log.last_line);
  }
}

void read_sweep_run(ReportedRun& run) {
  const std::string failure = read_failure(run.folder);
  std::error_code ignored;
  if (fs::exists(run.folder / "config.toml", ignored)) read_run(run);
  if (run.status == RunStatus::running) return;
  if (read_result(run)) {
    run.status = RunStatus::finished;
    run.reason.clear();
  } else if (!failure.empty()) {
    run.status = RunStatus::failed;
    run.reason = failure;
  } else if (run.status == RunStatus::finished) {
    run.status = RunStatus::stopped;
    run.reason = "trained, but not scored yet";
  }
}

/// The values of all keys that make a difference.
std::string identity_of(const ReportedRun& run) {
  if (!run.config) return run.name;
  std::string text;
  for (const Field& field : config_fields()) {
    if (!is_incidental_key(std::string(field.key), false)) text += format_value(field.get(*run.config)) + '\n';
  }
  return text;
}

/// The keys in which a group differs from the others, as "kind=softmax,seq_len=64"; nothing if those are none or many.
std::string key_name(const std::vector<VariedKey>& varied, std::size_t group) {
  constexpr std::size_t kMostKeys = 3;
  std::string name;
  if (varied.size() > kMostKeys) return name;
  for (const VariedKey& row : varied) {
    std::string value = row.values[group];
    std::erase(value, '"');
    name += concat(name.empty() ? "" : ",", row.key.substr(row.key.find('.') + 1), '=', value);
  }
  return name;
}

/// "a, b and c"; of many names how many there are.
std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t kMostNames = 3;
  if (names.size() > kMostNames) return concat(names.size(), " groups of runs");
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += concat(i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  }
  return text;
}

/// Puts runs that differ in the seed alone into one group, and names the groups.
void form_groups(Experiment& experiment) {
  std::map<std::string, std::size_t> known;
  std::vector<std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < experiment.runs.size(); ++i) {
    const auto [found, is_new] = known.emplace(identity_of(experiment.runs[i]), members.size());
    if (is_new) members.emplace_back();
    members[found->second].push_back(i);
  }
  for (std::size_t group = 0; group < members.size(); ++group) {
    experiment.groups.push_back(std::to_string(group));
    for (const std::size_t i : members[group]) experiment.runs[i].group = experiment.groups.back();
  }
  const std::vector<VariedKey> varied = varied_keys(experiment, 0);
  std::set<std::string> names;
  for (std::size_t group = 0; group < members.size(); ++group) {
    const ReportedRun& first = experiment.runs[members[group].front()];
    std::string name = members[group].size() > 1 ? key_name(varied, group) : std::string();
    if (name.empty()) name = fs::path(first.name).filename().string();
    if (name.empty() || !names.insert(name).second) name = first.name;
    names.insert(name);
    experiment.groups[group] = name;
    for (const std::size_t i : members[group]) experiment.runs[i].group = name;
  }
}

/// Warns if config.toml or metrics.jsonl, which have no checksum of their own, contradict the newest checkpoint.
void compare_with_checkpoint(ReportedRun& run) {
  const std::vector<std::int64_t> steps = list_checkpoints(run.folder / "checkpoints");
  if (steps.empty()) return;
  const fs::path checkpoint = run.folder / "checkpoints" / checkpoint_name(steps.back());
  try {
    const StateDocument document = read_state_document(checkpoint);
    const fs::path metrics = run.folder / "metrics.jsonl";
    if (auto change = find_change(metrics, document.metrics, steps.back())) run.warnings.push_back(std::move(*change));
  } catch (const InputError&) {
    // It is named where the best checkpoint is looked for.
  }
  const fs::path weights = checkpoint / kModelFile;
  try {
    Metadata metadata = read_safetensors_header(weights).metadata;
    const auto config = metadata.find("config");
    if (config == metadata.end()) return;
    for (const ConfigDifference& difference :
         differences(config_from_json(config->second, {}, weights.string()), *run.config)) {
      run.warnings.push_back(concat((run.folder / "config.toml").string(), ": ", difference.key, " is ", difference.second,
                                    ", but ", difference.first, " in ", weights.string()));
    }
  } catch (const InputError& error) {
    run.warnings.push_back(error.what());
  }
}

}  // namespace

void read_run(ReportedRun& run) {
  run.config = load_config(run.folder / "config.toml");
  run.seed = run.config->train.seed;
  run.metrics = read_metrics(run.folder / "metrics.jsonl");
  run.samples = read_samples(run.folder / "samples.jsonl");
  const RunLog log = read_run_log(run.folder);
  run.environment = log.environment;
  decide_status(run, log);
  // What a run at work has written last may not be in a checkpoint yet.
  if (run.status != RunStatus::running) compare_with_checkpoint(run);
}

std::vector<Experiment> collect_experiments(const std::vector<std::string>& paths) {
  std::vector<Experiment> experiments;
  std::map<std::string, std::size_t> by_metric;
  std::set<fs::path> seen;
  for (const std::string& path : paths) {
    std::error_code ignored;
    fs::path folder = fs::path(path).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();
    check<InputError>(fs::is_directory(folder, ignored), path, ": expected the folder of a run or of a sweep");
    check<InputError>(seen.insert(fs::weakly_canonical(folder, ignored)).second, path, ": is named twice");
    if (is_sweep_folder(folder)) {
      Experiment experiment = read_sweep_description(folder);
      for (ReportedRun& run : experiment.runs) {
        const std::int64_t seed = run.seed;
        read_sweep_run(run);
        run.seed = seed;
      }
      experiments.push_back(std::move(experiment));
      continue;
    }
    check<InputError>(fs::exists(folder / "config.toml", ignored), path,
                      ": is neither a run (it has no config.toml) nor a sweep (it has no sweep.json)");
    ReportedRun run;
    run.name = folder.string();
    run.folder = folder;
    read_run(run);
    const std::optional<Selection> selection = read_selection(folder, run.warnings);
    const std::string metric = selection ? selection_metric(run, *selection) : kDefaultMetric;
    if (run.status == RunStatus::running || !read_result(run)) take_from_metrics(run, selection);
    const auto [found, is_new] = by_metric.emplace(metric, experiments.size());
    if (is_new) {
      experiments.emplace_back();
      experiments.back().stages.push_back({"train", metric, "valid", selection && selection->higher_is_better});
    }
    experiments[found->second].runs.push_back(std::move(run));
  }
  for (Experiment& experiment : experiments) {
    if (experiment.is_sweep) continue;
    form_groups(experiment);
    experiment.name = joined(experiment.groups);
  }
  return experiments;
}

}  // namespace cosformer
