#pragma once
/// \file
/// What `cosformer sweep` leaves in its folder: sweep.json, and a result.json or a reason for each run.

#include <filesystem>
#include <string>

#include "train/experiments/experiment.h"

namespace cosformer {

/// True if the folder has a sweep.json.
bool is_sweep_folder(const std::filesystem::path& folder);

/// Groups, stages, published figures and one run, not read yet, for each point and stage. Throws InputError, one line that
/// begins with the file.
Experiment read_sweep_description(const std::filesystem::path& folder);

/// Reads RUN/result.json into `scores` and `values`. False if there is none. Throws InputError.
bool read_result(ReportedRun& run);

/// The line of RUN.failed; empty if there is none.
std::string read_failure(const std::filesystem::path& run);

}  // namespace cosformer
