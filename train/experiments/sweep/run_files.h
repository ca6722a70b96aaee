#pragma once
/// \file
/// What a sweep keeps of a run.

#include <filesystem>

#include "train/experiments/sweep/sweep_plan.h"

namespace cosformer {

/// runs/POINT/STAGE.log and the like: files that stand beside a run's folder.
std::filesystem::path beside_run(const SweepRun& run, const char* ending);
std::filesystem::path result_file(const SweepRun& run);
std::filesystem::path train_file(const SweepRun& run);
/// Whether a file of a run is there and fits its checksum.
bool is_whole(const std::filesystem::path& file);

}  // namespace cosformer
