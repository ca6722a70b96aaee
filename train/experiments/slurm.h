#pragma once
/// \file
/// What scripts for Slurm have in common.

#include <filesystem>
#include <string>
#include <vector>

namespace cosformer {

/// A name without what Slurm or the shell could take for something else.
std::string slurm_job_name(const std::string& name);

/// A path for an #SBATCH line, absolute. Throws InputError for one that such a line cannot hold.
std::string slurm_path(const std::filesystem::path& path);

/// The signal that asks a job's program to save and stop. srun hands SIGUSR1 on to its tasks; on SIGTERM it kills them.
enum class SlurmStop { term, usr1 };

/// The lines that run `command`: hand the signal on to it, and queue the job again if it has saved a checkpoint and stopped.
std::string slurm_body(const std::string& command, SlurmStop stop);

/// One run on several ranks.
struct SlurmRun {
  std::filesystem::path program;
  std::vector<std::string> arguments;  ///< of the program, with --resume
  std::filesystem::path folder;        ///< of the run; the job's output goes beside it
  int ranks = 1;
  int threads = 1;  ///< of each rank
};

/// The text of a script that trains `run` with srun. Two minutes before its time is over the run gets SIGUSR1, saves a
/// checkpoint and is queued again, to go on from there. Throws InputError as `slurm_path`.
std::string slurm_run_script(const SlurmRun& run);

}  // namespace cosformer
