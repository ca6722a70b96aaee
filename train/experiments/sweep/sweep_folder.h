#pragma once
/// \file
/// The folder of a sweep: what is in it, and whose it is.
///
///     sweep.toml  sweep.json  .lock  sweep.sbatch
///     runs/POINT/.lock
///     runs/POINT/STAGE/            a run folder; train.json once it is trained, result.json once it is scored
///     runs/POINT/STAGE.failed      the line why it failed, until it is tried again
///     runs/POINT/STAGE.log         what the run wrote to standard error

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/experiments/sweep/sweep_plan.h"
#include "train/store/file_system.h"
#include "train/store/run_directory.h"

namespace cosformer {

class SweepFolder {
 public:
  enum class Mode { create, resume };

  /// Throws InputError, one line, if `path` holds a sweep and `mode` is `create` (it says what continues it), if it
  /// holds something that is none, and if the plan contradicts a run that is finished or was interrupted there: the key with
  /// both values.
  static void check_usable(const std::filesystem::path& path, Mode mode, const SweepPlan& plan);

  /// After `check_usable` and `check_runs`: throws InputError, one line, if a finished run has read other contents than the
  /// sweep reads now. Where they lie does not matter.
  static void check_contents(const SweepPlan& plan);

  /// After `check_usable`: locks the folder (InputError if another process has it) and writes sweep.toml and sweep.json.
  SweepFolder(FileSystem& files, const std::filesystem::path& path, const SweepPlan& plan);

  /// What the user should know of the folder's lock; empty if all is as usual.
  const std::string& lock_note() const { return lock_.note(); }

 private:
  FileLock lock_;
};

/// Points of a sweep that was written into `folder`, by the plan's numbers. Throws InputError if point `number` of
/// sweep.json is not that of the plan.
void check_same_point(const std::filesystem::path& folder, const SweepPlan& plan, std::size_t number);

/// Finished runs of the folder that the plan has no longer, as "POINT/STAGE".
std::vector<std::string> forgotten_runs(const std::filesystem::path& folder, const SweepPlan& plan);

/// The key of train.json with the config as it was planned, before the data and an earlier stage completed it.
inline constexpr const char* kPlannedConfigKey = "planned_config";
/// The splits that a run's best checkpoint is scored on, in this order: valid and test, of those that its config names.
std::vector<std::string> splits_to_score(const Config& config);
/// Whether a run has been trained, and scored on all of them, and both files say so unharmed.
bool is_finished(const SweepRun& run);
/// What is wrong with each damaged train.json and result.json of the plan's runs: one line for each, begun with the file.
std::vector<std::string> damaged_files(const SweepPlan& plan);

/// The sweep with the results and failures that are in the folder now; a damaged result is none. Throws InputError for a
/// damaged sweep.json.
Experiment read_sweep_results(const std::filesystem::path& folder);

}  // namespace cosformer
