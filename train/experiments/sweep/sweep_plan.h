#pragma once
/// \file
/// From a sweep file to the runs that it asks for.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/config/config.h"
#include "train/experiments/sweep/sweep_file.h"
#include "train/loop/plan.h"
#include "train/store/run_identity.h"

namespace cosformer {

/// One combination of grid × zip × list with one seed.
struct SweepPoint {
  std::string name;   ///< of its folder: the group made safe, and the seed
  std::string group;  ///< the points that differ in the seed alone share it
  std::int64_t seed = 0;
  std::vector<SweepSetting> settings;  ///< of the combination
};

/// One stage of one point.
struct SweepRun {
  std::filesystem::path folder;
  std::vector<std::string> overrides;  ///< "key=value", what `train --set` takes
  Config config;
  std::optional<RunPlan> plan;          ///< after `check_runs`
  std::optional<RunIdentity> identity;  ///< what `check_runs` has read, if asked for; with init_from of labels alone
};

/// Everything a sweep asks for.
struct SweepPlan {
  SweepFile file;
  std::vector<ReportedStage> stages;  ///< with metric, split and direction filled in
  std::vector<SweepPoint> points;
  std::vector<std::vector<SweepRun>> runs;  ///< by point and stage
};

inline constexpr std::size_t kMaxSweepPoints = 10'000;

/// All points: list (outermost), grid, zip, seeds (innermost), each in the order of the file. Without seeds in the file
/// there is one, `own_seed`. Throws InputError if two points would share a name, for a name that is too long, for more
/// than `kMaxSweepPoints` points and for a published figure whose group no point has.
std::vector<SweepPoint> plan_points(const SweepFile& file, std::int64_t own_seed);

/// Loads the config of every run of a sweep in the folder `sweep_folder`. Of the settings, later ones win: the base config,
/// [set], the point's, the stage's own, the seed. Throws InputError, one line that begins with point and stage.
SweepPlan make_sweep_plan(const SweepFile& file, const std::filesystem::path& sweep_folder);

/// Reads the data of every run and plans it: what is wrong with any shows before the first one starts. A stage with
/// init_from is planned with the model that it begins with, its data are only looked for. Throws InputError, one line that
/// begins with point and stage. With `identify`, says what has been read: hashing a large data set takes a while.
void check_runs(SweepPlan& plan, bool identify);

}  // namespace cosformer
