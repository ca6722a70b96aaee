#include "train/experiments/slurm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <csignal>

#include "core/error.h"
#include "core/quote_shell.h"

namespace cosformer {

std::string slurm_job_name(const std::string& name) {
  std::string safe = name;
  std::ranges::replace_if(
      safe, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '-' && c != '.'; }, '_');
  return safe;
}

std::string slurm_path(const std::filesystem::path& path) {
  std::string full = std::filesystem::absolute(path).string();
  // A directive of Slurm is one line, has no escapes, and knows patterns that begin with %.
  check<InputError>(full.find_first_of("\"\\%\n") == std::string::npos, full,
                    ": a script for Slurm cannot name a folder with \" \\ % or a line break");
  return full;
}

std::string slurm_body(const std::string& command, SlurmStop stop) {
  const bool term = stop == SlurmStop::term;
  return fmt::format(R"({command} &
child=$!
trap 'kill -{signal} "$child" 2>/dev/null' {signal}
wait "$child"
code=$?
# The trap ends the first wait, not the program.
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
if [ "$code" -eq {code} ] && [ -n "${{SLURM_JOB_ID:-}}" ] && command -v scontrol >/dev/null; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
)",
                     fmt::arg("command", command), fmt::arg("signal", term ? "TERM" : "USR1"),
                     fmt::arg("code", 128 + (term ? SIGTERM : SIGUSR1)));
}

std::string slurm_run_script(const SlurmRun& run) {
  const std::string folder = slurm_path(run.folder);
  std::string command = fmt::format("srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task={} {}", run.threads,
                                    quote_shell(run.program.string()));
  for (const std::string& argument : run.arguments) command += ' ' + quote_shell(argument);
  return fmt::format(R"(#!/bin/bash
# Submit with sbatch, as often as needed: the run goes on from its last checkpoint.
#SBATCH --job-name={name}
#SBATCH --ntasks={ranks}
#SBATCH --cpus-per-task={threads}
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output="{folder}.slurm-%j.out"

cd {here} || exit 1
export OMP_NUM_THREADS={threads}
{body})",
                     fmt::arg("name", slurm_job_name(run.folder.filename().string())), fmt::arg("ranks", run.ranks),
                     fmt::arg("threads", run.threads), fmt::arg("folder", folder),
                     fmt::arg("here", quote_shell(std::filesystem::current_path().string())),
                     fmt::arg("body", slurm_body(command, SlurmStop::usr1)));
}

}  // namespace cosformer
