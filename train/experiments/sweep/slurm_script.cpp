#include "train/experiments/sweep/slurm_script.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/quote_shell.h"
#include "train/experiments/slurm.h"

namespace cosformer {

namespace {

/// MaxArraySize is 1,001 unless a site says otherwise: indices from 0 to 1,000. A round number of points per array is easier
/// to read.
constexpr std::size_t kPointsPerArray = 1000;

/// The points of one array: their number is `offset` and the index of their task.
struct PointArray {
  std::size_t offset = 0;
  std::vector<std::size_t> tasks;
};

std::vector<PointArray> arrays_of(const std::vector<std::size_t>& points) {
  std::vector<PointArray> arrays;
  for (const std::size_t point : points) {
    const std::size_t task = point % kPointsPerArray;
    if (arrays.empty() || arrays.back().offset != point - task) arrays.push_back({point - task, {}});
    arrays.back().tasks.push_back(task);
  }
  return arrays;
}

/// "0-3,7": the numbers, ascending, with runs of neighbours as ranges.
std::string ranges_of(const std::vector<std::size_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += concat(text.empty() ? "" : ",", numbers[i]);
    if (last > i) text += concat("-", numbers[last]);
    i = last + 1;
  }
  return text;
}

/// Lines that submit the script as one array after another, when they do not run as a task of one. Each waits for the one
/// before, so that there are never more than `jobs` tasks at a time.
std::string submission_of(const std::vector<PointArray>& arrays, int jobs) {
  std::string list;
  for (const PointArray& array : arrays) list += fmt::format("{} {}%{}\n", array.offset, ranges_of(array.tasks), jobs);
  return fmt::format(R"(# No array may have an index above 1,000 (Slurm's MaxArraySize), so there are {}.
if [ -z "${{SLURM_ARRAY_TASK_ID:-}}" ]; then
  before=
  while read -r offset array; do
    job=$(sbatch --parsable --array="$array" ${{before:+--dependency=afterany:$before}} "$0" "$offset") || exit 1
    before=${{job%%;*}}
    echo "points from $offset: job $before"
  done <<'ARRAYS'
{}ARRAYS
  exit 0
fi

)",
                     arrays.size(), list);
}

}  // namespace

bool needs_several_arrays(const std::vector<std::size_t>& points) {
  return !points.empty() && points.back() >= kPointsPerArray;
}

std::string slurm_script(const SweepPlan& plan, const std::filesystem::path& folder, const std::filesystem::path& program,
                         const std::vector<std::size_t>& points, int jobs, int threads) {
  const std::filesystem::path here = std::filesystem::current_path();
  const std::string full = slurm_path(folder);
  const std::string command = fmt::format(
      "{} sweep {} --sweep-dir {} --point \"$((SLURM_ARRAY_TASK_ID + ${{1:-0}}))\"", quote_shell(program.string()),
      quote_shell(std::filesystem::absolute(plan.file.path).string()), quote_shell(full));
  const std::vector<PointArray> arrays = arrays_of(points);
  return fmt::format(R"(#!/bin/bash
# {how}, as often as needed: points that are finished stay as they are.
#SBATCH --job-name={name}
#SBATCH --array={array}%{jobs}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={threads}
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output="{folder}/slurm-%A_%a.out"

{submission}cd {here} || exit 1
export OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-{threads}}}"
{body})",
                     fmt::arg("name", slurm_job_name(plan.file.name)), fmt::arg("array", ranges_of(arrays.front().tasks)),
                     fmt::arg("how", needs_several_arrays(points) ? "Run with bash" : "Submit with sbatch"),
                     fmt::arg("submission", needs_several_arrays(points) ? submission_of(arrays, jobs) : ""),
                     fmt::arg("jobs", jobs), fmt::arg("threads", threads), fmt::arg("folder", full),
                     fmt::arg("here", quote_shell(here.string())), fmt::arg("body", slurm_body(command, SlurmStop::term)));
}

}  // namespace cosformer
