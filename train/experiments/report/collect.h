#pragma once
/// \file
/// From the folders that a user names to experiments.

#include <filesystem>
#include <string>
#include <vector>

#include "train/experiments/experiment.h"

namespace cosformer {

/// Reads run folders and sweep folders. Each sweep is an experiment; run folders that are judged by the same metric are one
/// experiment together, in which runs whose configs differ in nothing but the seed are one group.
///
/// A run that is running, stopped, failed or not begun is there with its status and the reason. Throws InputError, one line:
/// a path that is neither a run nor a sweep or is named twice, or a file of one that is damaged.
std::vector<Experiment> collect_experiments(const std::vector<std::string>& paths);

/// Reads config, metrics, log and status of `run.folder`. Throws InputError.
void read_run(ReportedRun& run);

}  // namespace cosformer
