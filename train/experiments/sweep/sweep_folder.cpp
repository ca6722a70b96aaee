#include "train/experiments/sweep/sweep_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "train/config/schema.h"
#include "train/experiments/sweep/run_files.h"
#include "train/experiments/sweep_results.h"
#include "train/store/atomic_file.h"
#include "train/store/checkpoint_store.h"
#include "train/store/sealed_json.h"
#include "train/tasks/task.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxSweepBytes = kMaxTomlBytes;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// True if a folder holds nothing but what a crash before sweep.json leaves.
bool is_empty_sweep(const fs::path& path) {
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name != ".lock" && name != "sweep.toml" && !is_temporary_name(name)) return false;
  }
  check<Error>(!error, "cannot list ", path.string(), ": ", error.message());
  return true;
}

nlohmann::ordered_json to_json_value(const Field& field, const std::string& toml) {
  Config config;
  assign(config, field, parse_toml("value = " + toml, "value").front().value);
  return std::visit([](const auto& value) { return nlohmann::ordered_json(value); }, field.get(config));
}

nlohmann::ordered_json describe_sweep(const SweepPlan& plan) {
  nlohmann::ordered_json stages = nlohmann::ordered_json::array(), points = stages, published = stages, floors = stages;
  for (const ReportedStage& stage : plan.stages) {
    stages.push_back({{"name", stage.name},
                      {"metric", stage.metric},
                      {"split", stage.split},
                      {"higher_is_better", stage.higher_is_better}});
  }
  for (const SweepPoint& point : plan.points) {
    nlohmann::ordered_json set = nlohmann::ordered_json::object();
    for (const SweepSetting& setting : point.settings)
      set[setting.key] = to_json_value(*find_field(setting.key), setting.value);
    points.push_back({{"name", point.name}, {"group", point.group}, {"seed", point.seed}, {"set", set}});
  }
  for (const CitedFigure& figure : plan.file.published) {
    published.push_back(
        {{"group", figure.name}, {"stage", figure.stage}, {"value", figure.value}, {"source", figure.source}});
  }
  for (const CitedFigure& floor : plan.file.floors) {
    floors.push_back({{"name", floor.name}, {"stage", floor.stage}, {"value", floor.value}, {"source", floor.source}});
  }
  return {{"format", "cosformer sweep"},
          {"name", plan.file.name},
          {"question", plan.file.question},
          {"stages", stages},
          {"points", points},
          {"published", published},
          {"floors", floors}};
}

const SweepStage& stage_of(const SweepPlan& plan, const std::vector<SweepRun>& runs, const SweepRun& run) {
  return plan.file.stages[static_cast<std::size_t>(&run - runs.data())];
}

/// Keys that say where contents lie which `check_contents` compares.
bool names_content(std::string_view key) {
  constexpr std::string_view kPaths[] = {"task.train", "task.valid", "task.test", "task.tokenizer_folder",
                                         "task.token_cache"};
  return std::ranges::find(kPaths, key) != std::end(kPaths);
}

/// Keys that say on what a run runs and what it reports.
bool may_differ(std::string_view key) {
  return key == "train.threads" || key == "train.log_every" || key.starts_with("logging.") ||
         // Which weights are scored hangs on whether the best are kept.
         (key.starts_with("checkpoint.") && key != "checkpoint.keep_best");
}

/// Whether a stage began with the weights of the stage that it begins with now; the sweep's folder may have another name.
bool begins_with_same_stage(const std::string& before, const std::string& now, const SweepStage& stage) {
  return !stage.init_from.empty() && fs::path(before).filename() == fs::path(now).filename();
}

/// Whether `check_contents` compares what a run reads, so that its paths may differ.
bool compares_contents(const SweepRun& run, const SweepStage& stage) {
  return stage.init_from.empty() || reads_labels(run.config.task.name);
}

/// Throws InputError if the trained run of a stage was planned with another config than now.
void check_not_contradicted(const SweepRun& run, const SweepStage& stage, bool paths_may_differ) {
  const fs::path file = train_file(run);
  const nlohmann::json trained = read_sealed_json(file);
  check<InputError>(trained.contains(kPlannedConfigKey), file.string(), ": expected the key \"", kPlannedConfigKey, '"');
  const Config planned = config_from_json(trained[kPlannedConfigKey].dump(), {}, file.string());
  for (const ConfigDifference& difference : differences(planned, run.config)) {
    const bool is_free = may_differ(difference.key) || (paths_may_differ && names_content(difference.key)) ||
                         (difference.key == "train.init_from" &&
                          begins_with_same_stage(planned.train.init_from, run.config.train.init_from, stage));
    check<InputError>(is_free, run.folder.string(), ": ", difference.key, " is ", difference.first,
                      " in this finished run and ", difference.second, " in the sweep now; another --sweep-dir starts anew");
  }
}

/// Throws InputError if a run that was interrupted would go on by another schedule, or be judged otherwise, than those of
/// the sweep that begin now. Of the other keys `cosformer train --resume` itself takes care.
void check_interrupted(const SweepRun& run) {
  constexpr std::string_view kJudging[] = {"train.max_steps",        "schedule.decay_steps", "train.eval_every",
                                           "train.eval_max_batches", "train.patience",       "checkpoint.keep_best"};
  if (list_checkpoints(run.folder / "checkpoints").empty()) return;
  std::optional<Config> begun;
  try {
    begun = load_config(run.folder / "config.toml");
  } catch (const InputError&) {
    return;  // its training says so, and goes on by the checkpoint's
  }
  for (const ConfigDifference& difference : differences(*begun, run.config)) {
    check<InputError>(std::ranges::find(kJudging, difference.key) == std::end(kJudging), run.folder.string(), ": ",
                      difference.key, " is ", difference.first, " in this unfinished run and ", difference.second,
                      " in the sweep now; another --sweep-dir starts anew");
  }
}

}  // namespace

std::vector<std::string> splits_to_score(const Config& config) {
  std::vector<std::string> splits;
  if (!config.task.valid.empty()) splits.emplace_back("valid");
  if (!config.task.test.empty()) splits.emplace_back("test");
  return splits;
}

bool is_finished(const SweepRun& run) {
  if (!is_whole(result_file(run)) || !is_whole(train_file(run))) return false;
  const nlohmann::json result = read_sealed_json(result_file(run));
  return std::ranges::all_of(splits_to_score(run.config), [&](const std::string& split) { return result.contains(split); });
}

std::vector<std::string> damaged_files(const SweepPlan& plan) {
  std::vector<std::string> lines;
  for (const std::vector<SweepRun>& runs : plan.runs) {
    for (const SweepRun& run : runs) {
      for (const fs::path& file : {train_file(run), result_file(run)}) {
        if (!is_there(file)) continue;
        if (auto fault = seal_fault(file)) lines.push_back(std::move(*fault));
      }
    }
  }
  return lines;
}

void SweepFolder::check_usable(const fs::path& path, Mode mode, const SweepPlan& plan) {
  if (!is_there(path)) return;
  std::error_code ignored;
  check<InputError>(fs::is_directory(path, ignored), path.string(), ": expected a folder for the sweep");
  const bool is_sweep = is_sweep_folder(path);
  check<InputError>(is_sweep || is_empty_sweep(path), path.string(),
                    ": holds other files; empty it or choose another --sweep-dir");
  check<InputError>(!is_sweep || mode == Mode::resume, path.string(),
                    ": holds a sweep already; continue it with --resume or choose another --sweep-dir");
  for (const std::vector<SweepRun>& runs : plan.runs) {
    for (const SweepRun& run : runs) {
      // A damaged one is made again.
      const SweepStage& stage = stage_of(plan, runs, run);
      if (is_whole(train_file(run))) {
        check_not_contradicted(run, stage, compares_contents(run, stage));
      } else {
        check_interrupted(run);
      }
    }
  }
}

void SweepFolder::check_contents(const SweepPlan& plan) {
  for (const std::vector<SweepRun>& runs : plan.runs) {
    for (const SweepRun& run : runs) {
      if (!run.identity || !is_whole(train_file(run))) continue;
      const auto checkpoint = find_latest_checkpoint(run.folder / "checkpoints", [](const std::string&) {});
      const RunIdentity trained = checkpoint ? read_state_document(*checkpoint).identity : RunIdentity();
      // Of a run that does not know what it has read, the paths are all there is.
      if (trained.data.empty()) {
        check_not_contradicted(run, stage_of(plan, runs, run), false);
        continue;
      }
      const std::vector<std::string> changes =
          content_differences(trained, *run.identity, (run.folder / kTokenizerFolder).string());
      check<InputError>(changes.empty(), run.folder.string(), ": ", changes.empty() ? "" : changes.front(),
                        "; this run is finished, another --sweep-dir starts anew");
    }
  }
}

SweepFolder::SweepFolder(FileSystem& files, const fs::path& path, const SweepPlan& plan)
    : lock_([&] {
        std::error_code error;
        fs::create_directories(path, error);
        check<InputError>(!error, path.string(), ": cannot be created: ", error.message());
        return FileLock(files, path / ".lock", "this sweep, wait for it or choose another --sweep-dir");
      }()) {
  remove_leftovers(files, path);
  replace_file(files, path / "sweep.toml", read_text_file(plan.file.path, kMaxSweepBytes));
  replace_file(files, path / "sweep.json", seal(describe_sweep(plan), 1));
}

void check_same_point(const fs::path& folder, const SweepPlan& plan, std::size_t number) {
  check<InputError>(is_sweep_folder(folder), folder.string(), ": is no sweep folder (it has no sweep.json)");
  check<InputError>(number < plan.points.size(), "--point: expected 0 to ", plan.points.size() - 1, ", found ", number);
  const Experiment written = read_sweep_description(folder);
  const std::size_t run = number * written.stages.size();
  check<InputError>(run < written.runs.size() && written.runs[run].name == plan.points[number].name, folder.string(),
                    ": point ", number, " is ", run < written.runs.size() ? written.runs[run].name : "not there",
                    ", the sweep file now has ", plan.points[number].name,
                    "; write the script again with --launcher slurm --resume");
}

std::vector<std::string> forgotten_runs(const fs::path& folder, const SweepPlan& plan) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator point(folder / "runs", error), end; !error && point != end; point.increment(error)) {
    std::error_code inner;
    for (fs::directory_iterator stage(point->path(), inner); !inner && stage != end; stage.increment(inner)) {
      const bool is_known = std::ranges::any_of(plan.runs, [&](const std::vector<SweepRun>& runs) {
        return std::ranges::find(runs, stage->path(), &SweepRun::folder) != runs.end();
      });
      if (!is_known && is_there(stage->path() / "result.json"))
        names.push_back(concat(point->path().filename().string(), "/", stage->path().filename().string()));
    }
  }
  std::ranges::sort(names);
  return names;
}

Experiment read_sweep_results(const fs::path& folder) {
  Experiment experiment = read_sweep_description(folder);
  for (ReportedRun& run : experiment.runs) {
    if (is_whole(run.folder / "result.json") && read_result(run)) {
      run.status = RunStatus::finished;
    } else if (std::string reason = read_failure(run.folder); !reason.empty()) {
      run.status = RunStatus::failed;
      run.reason = std::move(reason);
    }
  }
  return experiment;
}

}  // namespace cosformer
