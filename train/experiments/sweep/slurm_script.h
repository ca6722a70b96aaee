#pragma once
/// \file
/// A sweep as an array job of Slurm.

#include <filesystem>
#include <string>
#include <vector>

#include "train/experiments/sweep/sweep_plan.h"

namespace cosformer {

/// Where the points do not fit into one array, Slurm's default for the number of an array's tasks, and for the largest
/// index, being 1,000. The script is then not submitted but run: it submits one array after another.
bool needs_several_arrays(const std::vector<std::size_t>& points);

/// The text of sweep.sbatch: one task per point of `points` (ascending), at most `jobs` at a time, `threads` processors
/// each. A task runs `program sweep … --point N`, which does nothing if the point is finished, so that the script may be
/// submitted again. Two minutes before its time is over a task gets SIGTERM, saves a checkpoint and is queued again. Throws
/// InputError for paths that no such script can hold.
std::string slurm_script(const SweepPlan& plan, const std::filesystem::path& folder, const std::filesystem::path& program,
                         const std::vector<std::size_t>& points, int jobs, int threads);

}  // namespace cosformer
