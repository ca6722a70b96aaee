#include <fmt/format.h>

#include <cerrno>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "core/named_table.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "core/quote_shell.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/experiments/group_labels.h"
#include "train/experiments/sweep/slurm_script.h"
#include "train/experiments/sweep/sweep_cost.h"
#include "train/experiments/sweep/sweep_folder.h"
#include "train/experiments/sweep/sweep_monitor.h"
#include "train/experiments/sweep/sweep_runner.h"
#include "train/experiments/sweep/sweep_table.h"
#include "train/experiments/text.h"
#include "train/loop/peak.h"
#include "train/store/atomic_file.h"
#include "train/store/console.h"
#include "train/store/signals.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr int kFailedRuns = 1;
constexpr std::int64_t kMaxJobs = 1024;
constexpr double kPeakSeconds = 0.3;

/// The flags with what they mean for this sweep.
struct SweepCall {
  SweepPlan plan;
  fs::path folder;
  int jobs = 1;
  int threads = 1;  ///< of each job
  bool json = false;
  std::string resume_command;
};

/// With the program as it was called: it need not be in the PATH.
std::string resume_command(const cxxopts::ParseResult& given) {
  std::string command = quote_shell(::program_invocation_name) + " sweep " + quote_shell(given["sweep"].as<std::string>());
  if (given.count("sweep-dir")) command += " --sweep-dir " + quote_shell(given["sweep-dir"].as<std::string>());
  if (given.count("jobs")) command += fmt::format(" --jobs {}", given["jobs"].as<std::int64_t>());
  return command + " --resume";
}

std::vector<std::size_t> unfinished_points(const SweepPlan& plan) {
  std::vector<std::size_t> points;
  for (std::size_t p = 0; p < plan.points.size(); ++p) {
    if (!std::ranges::all_of(plan.runs[p], is_finished)) points.push_back(p);
  }
  return points;
}

int exit_code(int signal, const Experiment& experiment, std::size_t failures) {
  if (signal != 0) return 128 + signal;
  const bool failed = std::ranges::find(experiment.runs, RunStatus::failed, &ReportedRun::status) != experiment.runs.end();
  return failed || failures > 0 ? kFailedRuns : 0;
}

int run_sweep_points(const SweepCall& call, FileSystem& files) {
  const SweepFolder folder(files, call.folder, call.plan);
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  if (!folder.lock_note().empty()) console.print("warning: " + folder.lock_note());
  for (const std::string& name : forgotten_runs(call.folder, call.plan))
    console.print(name + ": finished, but no run of the sweep file any more; left out of the table");
  for (const std::string& fault : damaged_files(call.plan)) console.print(fault + "; it is made again");
  const std::vector<std::size_t> points = unfinished_points(call.plan);
  const std::string keys = label_groups(groups_of(call.plan)).keys;
  console.print(fmt::format("{}: {} points{}, {} to run, {} at a time with {} thread{}", call.folder.string(),
                            call.plan.points.size(), keys.empty() ? "" : " of " + keys, points.size(), call.jobs,
                            call.threads, call.threads == 1 ? "" : "s"));
  std::size_t failures = 0;
  SweepMonitor monitor(console, call.plan, points, now_seconds);
  const int signal = run_points(
      files, call.plan, points, call.jobs, call.threads,
      [&](const SweepRun& run, std::size_t stage, const std::string& failure) {
        if (!failure.empty()) ++failures;
        monitor.ended(run, stage, failure);
      },
      [&](std::span<const std::unique_ptr<PointJob>> running) { monitor.show(running); });
  console.clear_status();
  const Experiment experiment = read_sweep_results(call.folder);
  if (call.json) {
    nlohmann::ordered_json json = sweep_to_json(experiment);
    json["folder"] = call.folder.string();
    print_json(json);
  } else {
    std::cout << format_sweep(experiment);
  }
  if (signal != 0) console.print(fmt::format("{}; continue with\n  {}", describe_stop(signal), call.resume_command));
  return exit_code(signal, experiment, failures);
}

/// A task of sweep.sbatch: one point of a sweep whose folder is there already.
int run_one_point(const SweepCall& call, std::size_t point, FileSystem& files) {
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  std::size_t failures = 0;
  const int signal = run_points(
      files, call.plan, {point}, 1, num_threads(),
      [&](const SweepRun& run, std::size_t, const std::string& failure) {
        if (!failure.empty()) ++failures;
        console.print(fmt::format("{}: {}", run.folder.string(), failure.empty() ? "finished" : "FAILED, " + failure));
      },
      [](std::span<const std::unique_ptr<PointJob>>) {});
  if (signal != 0) return 128 + signal;
  return failures > 0 ? kFailedRuns : 0;
}

int write_slurm_script(const SweepCall& call, FileSystem& files) {
  const SweepFolder folder(files, call.folder, call.plan);
  const std::vector<std::size_t> points = unfinished_points(call.plan);
  if (points.empty()) {
    std::cerr << visible(call.folder.string()) << ": all points are finished\n";
    return 0;
  }
  const fs::path script = call.folder / "sweep.sbatch";
  replace_file(files, script,
               slurm_script(call.plan, call.folder, fs::read_symlink("/proc/self/exe"), points, call.jobs, num_threads()));
  std::cout << script.string() << '\n';
  std::cerr << fmt::format("{} task{}, at most {} at a time, {} processor{} each; submit with: {} {}\n", points.size(),
                           points.size() == 1 ? "" : "s", call.jobs, num_threads(), num_threads() == 1 ? "" : "s",
                           needs_several_arrays(points) ? "bash" : "sbatch", visible(quote_shell(script.string())));
  return 0;
}

struct Launcher {
  const char* name;
  int (*run)(const SweepCall&, FileSystem&);
};
constexpr Launcher kLaunchers[] = {{"local", run_sweep_points}, {"slurm", write_slurm_script}};

}  // namespace

int run_sweep(int argc, char** argv) {
  CommandLine line("cosformer sweep",
                   "Trains and scores what a sweep file asks for: every combination of its axes with every seed. Runs are\n"
                   "processes of their own: one that fails is shown and stops nothing. docs/sweeps.md describes the file.");
  line.positional("sweep", "SWEEP.toml", "the sweep file");
  auto add = line.options();
  add("sweep-dir", "the sweep's folder (default: sweeps/<name of the file>)", cxxopts::value<std::string>(), "DIR");
  add("jobs", "points that run at a time; the threads are divided between them",
      cxxopts::value<std::int64_t>()->default_value("1"), "N");
  add("resume", "keep what is finished in the folder, continue what was interrupted, try again what failed");
  add("dry-run", "check everything, print the runs with what they need, and stop");
  add("launcher", "local, or slurm: writes an array script, sweep.sbatch, and runs nothing",
      cxxopts::value<std::string>()->default_value("local"), "NAME");
  add("point", "run the point with this number, from 0, of a sweep that --launcher slurm has written (its script does)",
      cxxopts::value<std::int64_t>(), "N");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const auto jobs = (*given)["jobs"].as<std::int64_t>();
  check<InputError>(jobs >= 1 && jobs <= kMaxJobs, "--jobs: expected 1 to ", kMaxJobs, ", found ", jobs);
  const Launcher& launcher = find_named(kLaunchers, (*given)["launcher"].as<std::string>(), "--launcher");

  const SweepFile file = read_sweep_file((*given)["sweep"].as<std::string>());
  fs::path folder =
      given->count("sweep-dir") ? fs::path((*given)["sweep-dir"].as<std::string>()) : fs::path("sweeps") / file.name;
  if (!folder.has_filename()) folder = folder.parent_path();
  SweepCall call{.plan = make_sweep_plan(file, folder),
                 .folder = folder,
                 .json = given->count("json") > 0,
                 .resume_command = resume_command(*given)};
  call.jobs = static_cast<int>(std::min<std::int64_t>(jobs, static_cast<std::int64_t>(call.plan.points.size())));
  call.threads = std::max(1, num_threads() / call.jobs);
  FileSystem files;
  if (given->count("point")) {
    const auto point = (*given)["point"].as<std::int64_t>();
    check<InputError>(point >= 0, "--point: expected at least 0, found ", point);
    check<InputError>(given->count("dry-run") == 0 && given->count("launcher") == 0,
                      "--point: runs one point; expected no --dry-run and no --launcher beside it");
    check_same_point(call.folder, call.plan, static_cast<std::size_t>(point));
    SweepFolder::check_usable(call.folder, SweepFolder::Mode::resume, call.plan);
    return run_one_point(call, static_cast<std::size_t>(point), files);
  }
  const auto mode = given->count("resume") ? SweepFolder::Mode::resume : SweepFolder::Mode::create;
  if (given->count("dry-run") == 0 || given->count("resume") > 0) SweepFolder::check_usable(call.folder, mode, call.plan);
  const bool resumes = mode == SweepFolder::Mode::resume;
  check_runs(call.plan, resumes);
  if (resumes) SweepFolder::check_contents(call.plan);
  if (given->count("dry-run")) {
    const double peak = measure_matmul_peak(kPeakSeconds);
    if (call.json) {
      print_json(cost_to_json(call.plan, peak, call.jobs));
    } else {
      std::cout << format_cost(call.plan, peak, call.jobs);
    }
    return 0;
  }
  return launcher.run(call, files);
}

}  // namespace cosformer
