#include "train/experiments/sweep/sweep_plan.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "core/error.h"
#include "core/nearest_name.h"
#include "layers/attention/registry.h"
#include "train/config/schema.h"
#include "train/experiments/sweep/run_files.h"
#include "train/loop/shared_step.h"
#include "train/tasks/carry_check.h"
#include "train/tasks/cut_check.h"
#include "train/tasks/initial_weights.h"
#include "train/tasks/task.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestName = 200;

std::string short_key(std::string_view key) { return std::string(key.substr(key.find('.') + 1)); }

/// The part after the dot, or the whole key if two varied keys end alike.
std::map<std::string, std::string> names_of_keys(const SweepFile& file) {
  std::map<std::string, int> counts;
  std::set<std::string> keys;
  const auto count = [&](const SweepChoice& choice) {
    for (const SweepSetting& setting : choice.settings)
      if (keys.insert(setting.key).second) ++counts[short_key(setting.key)];
  };
  for (const auto& axis : file.grid) count(axis.front());
  for (const SweepChoice& choice : file.zip) count(choice);
  std::map<std::string, std::string> names;
  for (const std::string& key : keys) names[key] = counts[short_key(key)] > 1 ? key : short_key(key);
  return names;
}

/// As the name of a folder: other characters than letters, digits and _ - = . , + become '_'.
std::string safe_name(const std::string& group) {
  std::string name = group;
  std::ranges::replace_if(
      name,
      [](unsigned char c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        return !letter && std::string_view("_-=.,+").find(static_cast<char>(c)) == std::string_view::npos;
      },
      '_');
  if (name.front() == '.' || name.front() == '-') name.front() = '_';
  return name;
}

/// All axes as lists of choices, the outermost first.
std::vector<const std::vector<SweepChoice>*> axes_of(const SweepFile& file) {
  std::vector<const std::vector<SweepChoice>*> axes;
  if (!file.list.empty()) axes.push_back(&file.list);
  for (const auto& axis : file.grid) axes.push_back(&axis);
  if (!file.zip.empty()) axes.push_back(&file.zip);
  return axes;
}

std::string place_of(const SweepPoint& point, const ReportedStage& stage) {
  return concat(point.name, ", ", stage.name, ": ");
}

/// The last value that `runs` give for a key wins in load_config, so the order of the layers is the order here.
std::vector<std::string> overrides_of(const SweepFile& file, const SweepPoint& point, const SweepStage& stage,
                                      const fs::path& point_folder) {
  std::vector<std::string> overrides;
  const auto add = [&](const std::vector<SweepSetting>& settings) {
    for (const SweepSetting& setting : settings) overrides.push_back(concat(setting.key, "=", setting.value));
  };
  add(file.settings);
  add(point.settings);
  add(stage.settings);
  overrides.push_back(concat("train.seed=", point.seed));
  if (!stage.init_from.empty())
    overrides.push_back(concat("train.init_from=", quote_toml((point_folder / stage.init_from).string())));
  return overrides;
}

const std::string& path_of_split(const Config& config, const std::string& split) {
  return split == "test" ? config.task.test : config.task.valid;
}

/// Throws InputError if no evaluation of the task has what the stage is judged by: its runs would train for nothing.
void check_metric(const SweepStage& stage, const std::string& task) {
  if (stage.metric.empty() || stage.split.empty()) return;
  const std::vector<std::string_view> known = task_metrics(task);
  if (std::ranges::find(known, stage.metric) != known.end()) return;
  throw InputError(
      error_at(stage.metric_source, stage.metric_position,
               concat("metric \"", stage.metric, "\": ", task, " has no such value", name_hint(stage.metric, known))));
}

/// The data of a task, read once for all runs that share it.
class Tasks {
 public:
  struct Held {
    Config config;
    std::unique_ptr<Task> task;
    std::optional<RunIdentity> identity;  // if asked for
  };

  explicit Tasks(bool identify) : identify_(identify) {}

  const Held& of(const Config& config) {
    std::unique_ptr<Held>& held = tasks_[to_json(key_of(config))];
    if (!held) {
      held = std::make_unique<Held>();
      held->config = config;
      held->task = make_task(held->config);
      held->task->training_batch(0, config.train.batch_size);
      if (identify_) held->identity = identity_of(*held->task);
    }
    return *held;
  }

  /// What a stage that takes its tokenizer over reads, if asked for and labelled. Throws InputError if it is unusable.
  std::optional<RunIdentity> check_data(const Config& config) {
    Config key = key_of(config);
    key.model.num_classes = config.model.num_classes;
    const auto [checked, is_new] = checked_.try_emplace(to_json(key));
    if (is_new) {
      RunIdentity read = check_task_data(config);
      if (identify_ && reads_labels(config.task.name)) checked->second = std::move(read);
    }
    return checked->second;
  }

 private:
  /// All that making a task depends on: two kinds of attention share the data.
  static Config key_of(const Config& config) {
    Config key;
    key.task = config.task;
    key.model.kind = config.model.kind;
    key.model.pair_features = config.model.pair_features;
    key.train.batch_size = config.train.batch_size;
    key.train.sequence_ranks = config.train.sequence_ranks;
    key.logging.sample_prompt = config.logging.sample_prompt;
    key.train.eval_max_batches = config.train.eval_max_batches;
    if (config.task.carry_state) key.model.positions = is_bounded(config.model) ? Positions::learned : Positions::none;
    return key;
  }

  bool identify_;
  std::map<std::string, std::unique_ptr<Held>> tasks_;
  std::map<std::string, std::optional<RunIdentity>> checked_;
};

/// Throws InputError if a stage cannot begin with the weights of an earlier one, as far as that is known without its data.
void check_start(const Config& earlier, Config config, const std::string& source) {
  AttentionConfig& attention = config.model.attention;
  const bool is_open = attention.reweighting_length == ReweightingLength::padded &&
                       (config.task.pad_to != PadTo::seq_len || config.task.class_token);
  if (is_open) {
    attention.reweighting_length = earlier.model.attention.reweighting_length;
    attention.reweighting_length_value = earlier.model.attention.reweighting_length_value;
  }
  attention = settle_reweighting_length(attention, config.model.kind, {config.task.seq_len, config.task.seq_len});
  check_same_model(earlier, config, source);
}

}  // namespace

std::vector<SweepPoint> plan_points(const SweepFile& file, std::int64_t own_seed) {
  const std::string source = file.path.string();
  const std::vector<std::int64_t> seeds = file.seeds.empty() ? std::vector<std::int64_t>{own_seed} : file.seeds;
  const auto axes = axes_of(file);
  std::size_t count = seeds.size();
  for (const auto* axis : axes) {
    check<InputError>(count <= kMaxSweepPoints / axis->size(),
                      error_at(source, {}, concat("more than ", kMaxSweepPoints, " points")));
    count *= axis->size();
  }
  const std::map<std::string, std::string> key_names = names_of_keys(file);
  std::vector<SweepPoint> points;
  std::set<std::string> names, groups;
  for (std::size_t combination = 0; combination < count / seeds.size(); ++combination) {
    SweepPoint point;
    std::size_t rest = combination, block = count / seeds.size();
    for (const auto* axis : axes) {
      block /= axis->size();
      const SweepChoice& choice = (*axis)[rest / block];
      rest %= block;
      const auto add_name = [&](const std::string& name) { point.group += (point.group.empty() ? "" : ",") + name; };
      if (!choice.name.empty()) add_name(choice.name);
      for (const SweepSetting& setting : choice.settings) {
        if (choice.name.empty()) add_name(concat(key_names.at(setting.key), "=", setting.text));
        point.settings.push_back(setting);
      }
    }
    if (point.group.empty()) point.group = "base";
    groups.insert(point.group);
    for (const std::int64_t seed : seeds) {
      point.seed = seed;
      point.name = concat(safe_name(point.group), "-seed", seed);
      check<InputError>(point.name.size() <= kLongestName,
                        error_at(source, {},
                                 concat("the name of the point ", point.name.substr(0, 40), "… is longer than ",
                                        kLongestName, " bytes; entries of [[list]] have names of their own")));
      check<InputError>(names.insert(point.name).second,
                        error_at(source, {}, concat("two points have the name ", point.name)));
      points.push_back(point);
    }
  }
  for (const CitedFigure& figure : file.published) {
    const std::vector<std::string_view> known(groups.begin(), groups.end());
    check<InputError>(groups.contains(figure.name),
                      error_at(source, {},
                               concat("a published figure is of the group \"", figure.name, "\", which no point has",
                                      name_hint(figure.name, known))));
  }
  return points;
}

SweepPlan make_sweep_plan(const SweepFile& file, const fs::path& sweep_folder) {
  SweepPlan plan{.file = file, .stages = {}, .points = {}, .runs = {}};
  for (const SweepStage& stage : file.stages) {
    const Config base = load_config(stage.base);
    ReportedStage reported{stage.name, stage.metric, stage.split, false};
    check_metric(stage, base.task.name);
    if (reported.metric.empty()) reported.metric = selection_metric_of(base.task.name);
    reported.higher_is_better = higher_is_better(reported.metric);
    if (plan.stages.empty()) plan.points = plan_points(file, base.train.seed);
    plan.stages.push_back(std::move(reported));
  }
  for (const SweepPoint& point : plan.points) {
    const fs::path folder = sweep_folder / "runs" / point.name;
    std::vector<SweepRun>& runs = plan.runs.emplace_back();
    for (std::size_t s = 0; s < file.stages.size(); ++s) {
      const SweepStage& stage = file.stages[s];
      SweepRun run{
          .folder = folder / stage.name, .overrides = overrides_of(file, point, stage, folder), .config = {}, .plan = {}};
      try {
        run.config = load_config(stage.base, run.overrides);
        // An axis may choose the task.
        check_metric(stage, run.config.task.name);
        const std::string& split = plan.stages[s].split;
        check<InputError>(split.empty() || !path_of_split(run.config, split).empty(), "split is \"", split,
                          "\", but the config has no task.", split);
      } catch (const InputError& error) {
        throw InputError(concat(place_of(point, plan.stages[s]), error.what()));
      }
      runs.push_back(std::move(run));
    }
  }
  return plan;
}

void check_runs(SweepPlan& plan, bool identify) {
  Tasks tasks(identify);
  std::set<std::string> initial_weights;  // that were read
  for (std::size_t p = 0; p < plan.points.size(); ++p) {
    std::vector<ModelConfig> models;  // of the point's stages, complete
    for (std::size_t s = 0; s < plan.stages.size(); ++s) {
      SweepRun& run = plan.runs[p][s];
      const SweepStage& stage = plan.file.stages[s];
      try {
        if (stage.init_from.empty()) {
          // A run that is trained needs no longer what it began with.
          const std::string& weights = run.config.train.init_from;
          if (!weights.empty() && !is_whole(train_file(run)) && initial_weights.insert(weights).second)
            read_initial_weights(weights, run.config, [](const std::string&) {});
          const Tasks::Held& held = tasks.of(run.config);
          const Task& task = *held.task;
          run.identity = held.identity;
          models.push_back(task.complete(run.config.model));
          check_cut(run.config.train, models.back(), task.lengths().seq_len);
          check_carried(run.config.train, models.back(), task);
          check_enough_leaves(models.back(), run.config.train, 1);
          run.plan = make_plan(run.config, models.back(), task.lengths().seq_len);
          continue;
        }
        run.identity = tasks.check_data(run.config);
        const auto source = static_cast<std::size_t>(std::ranges::find(plan.stages, stage.init_from, &ReportedStage::name) -
                                                     plan.stages.begin());
        Config earlier = plan.runs[p][source].config;
        earlier.model = models[source];
        Config config = adopt_settings(run.config, earlier);
        if (config.model.vocab_size == 0) config.model.vocab_size = earlier.model.vocab_size;
        check_start(earlier, config, concat("train.init_from: the stage \"", stage.init_from, '"'));
        models.push_back(config.model);
        check_cut(config.train, config.model, config.task.seq_len);
        check_enough_leaves(config.model, config.train, 1);
        run.plan = make_plan(config, config.model, config.task.seq_len);
      } catch (const InputError& error) {
        throw InputError(concat(place_of(plan.points[p], plan.stages[s]), error.what()));
      }
    }
  }
}

}  // namespace cosformer
