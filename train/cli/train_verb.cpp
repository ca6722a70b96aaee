#include <iostream>
#include <nlohmann/json.hpp>

#include "core/blas_kernels.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "core/quote_shell.h"
#include "train/cli/failure.h"
#include "train/cli/machine.h"
#include "train/cli/memory_check.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/experiments/slurm.h"
#include "train/loop/cluster_plan.h"
#include "train/loop/peak.h"
#include "train/loop/rank_agreement.h"
#include "train/loop/rank_checks.h"
#include "train/loop/session.h"
#include "train/loop/shared_step.h"
#include "train/loop/training_speed.h"
#include "train/store/atomic_file.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// runs/<folder of the config>/<name of the config>.
fs::path default_run_directory(const fs::path& config) {
  const fs::path folder = fs::absolute(config).parent_path().filename();
  return fs::path("runs") / folder / config.stem();
}

/// What a session runs on, for its log alone.
std::string describe_environment() {
  const Machine machine = read_machine();
  const Arithmetic own = this_arithmetic();
  return concat("cosformer ", COSFORMER_VERSION, ", ", machine.processor.empty() ? "unknown processor" : machine.processor,
                ", ", num_threads(), num_threads() == 1 ? " thread, " : " threads, ", own.instruction_set, ", ",
                own.blas_library, " with kernels ", describe(blas_kernels()));
}

/// What the command line says of the run's folder.
struct RunChoice {
  fs::path folder;
  RunDirectory::Mode mode = RunDirectory::Mode::create;
  bool names_run = false;  ///< the folder itself was given in place of a config
};

RunChoice run_choice(const cxxopts::ParseResult& given) {
  const fs::path path = given["config"].as<std::string>();
  RunChoice choice;
  std::error_code ignored;
  choice.names_run = fs::is_directory(path, ignored);
  check<InputError>(given.count("resume") == 0 || given.count("restart") == 0,
                    "--resume goes on with a run, --restart begins it anew: expected one of them");
  check<InputError>(given.count("launcher") == 0 || given.count("restart") == 0,
                    "--restart begins a run anew each time the script's job is queued again; with --launcher choose another "
                    "--run-dir, or remove the folder");
  if (given.count("resume")) choice.mode = RunDirectory::Mode::resume;
  if (given.count("restart")) choice.mode = RunDirectory::Mode::restart;
  if (!choice.names_run) {
    choice.folder = given.count("run-dir") ? fs::path(given["run-dir"].as<std::string>()) : default_run_directory(path);
    return choice;
  }
  choice.folder = path;
  check<InputError>(given.count("run-dir") == 0, "--run-dir: ", path.string(), " is a folder, so it is the run already");
  check<InputError>(choice.mode != RunDirectory::Mode::create || given.count("dry-run") > 0, path.string(),
                    ": is a folder, expected a config; `", continue_command(path), "` continues a run");
  return choice;
}

/// The config that the command line asks for: of the file, or of the run, with --set on top.
Config config_for(const cxxopts::ParseResult& given, const RunChoice& choice, const std::optional<EarlierRun>& earlier) {
  if (!choice.names_run) return given_config(given);
  // What cannot be read is no reason not to begin anew.
  if (choice.mode == RunDirectory::Mode::restart) return load_config(choice.folder / "config.toml", given_overrides(given));
  check<InputError>(earlier.has_value(), choice.folder.string(), ": is no run (it has no config.toml and no checkpoint)");
  return config_from_json(to_json(earlier->config), given_overrides(given), choice.folder.string());
}

CommandLine command_line() {
  CommandLine line("cosformer train", "Trains a model as a config says, or continues a run.");
  line.positional("config", "CONFIG.toml|RUN", "the config file, or with --resume the folder of a run");
  add_set_option(line);
  line.options()("run-dir", "the run's folder (default: runs/<folder>/<name of the config>)", cxxopts::value<std::string>(),
                 "DIR");
  line.options()("resume", "continue the run in its folder");
  line.options()("restart",
                 "begin the run in its folder anew: removes its checkpoints, metrics, TensorBoard events and tokenizer");
  line.options()("dry-run", "check config, data and shapes, print what the run needs, and stop");
  line.options()("ranks", "with --dry-run or --launcher: processes that train together, as `mpirun -np N` starts them",
                 cxxopts::value<int>(), "N");
  line.options()("network", "with --dry-run --ranks: Gbit/s of each rank's connection",
                 cxxopts::value<double>()->default_value("10"), "GBIT");
  line.options()("rank-gflops",
                 "with --dry-run --ranks: GFLOP/s that each rank reaches (default: tried here on parts of a step)",
                 cxxopts::value<double>(), "G");
  line.options()("launcher", "slurm: write a batch script that trains the run on --ranks, and run nothing",
                 cxxopts::value<std::string>(), "NAME");
  line.options()("threads", "with --launcher: of each rank", cxxopts::value<int>(), "N");
  add_json_option(line);
  return line;
}

/// Reads config, data and run. Each rank does.
Session prepare_session(const cxxopts::ParseResult& given, const RunChoice& choice, const Communicator& ranks,
                        const Warn& warn) {
  const bool begins_anew = choice.mode == RunDirectory::Mode::create || choice.mode == RunDirectory::Mode::restart;
  std::optional<EarlierRun> earlier;
  if (choice.mode != RunDirectory::Mode::restart && (!begins_anew || choice.names_run)) {
    earlier = read_earlier_run(choice.folder, warn);
  }
  Config config = config_for(given, choice, earlier);
  if (begins_anew) earlier.reset();
  if (config.train.threads > 0) set_num_threads(static_cast<int>(config.train.threads));
  const bool dry_run = given.count("dry-run") > 0 || given.count("launcher") > 0;
  Session session = prepare({.config = std::move(config),
                             .folder = choice.folder,
                             .mode = choice.mode,
                             .earlier = std::move(earlier),
                             .tokenizer_of_folder = dry_run && choice.names_run,
                             .plan_only = dry_run},
                            warn, [](const RunPlan& plan) { check_memory(plan, read_machine()); });
  check_enough_leaves(session.config.model, session.config.train, ranks.size());
  return session;
}

/// The value of a flag that counts something; `otherwise` without the flag. Throws InputError.
int count_of(const cxxopts::ParseResult& given, const std::string& flag, int otherwise) {
  if (given.count(flag) == 0) return otherwise;
  const int count = given[flag].as<int>();
  check<InputError>(count >= 1, "--", flag, ": expected at least 1, found ", count);
  return count;
}

void check_flags(const cxxopts::ParseResult& given) {
  const bool plans = given.count("dry-run") > 0, launches = given.count("launcher") > 0;
  check<InputError>(!launches || given["launcher"].as<std::string>() == "slurm", "--launcher: expected slurm");
  check<InputError>(given.count("ranks") == 0 || plans || launches,
                    "--ranks: says what --dry-run or --launcher are to count with; `mpirun -np N cosformer train` trains");
  check<InputError>(given.count("threads") == 0 || launches,
                    "--threads: belongs to --launcher; OMP_NUM_THREADS or "
                    "train.threads set those of a run");
  check<InputError>(given.count("rank-gflops") == 0 || given["rank-gflops"].as<double>() > 0,
                    "--rank-gflops: expected more than 0");
  check<InputError>(given["network"].as<double>() > 0, "--network: expected more than 0 Gbit/s");
}

/// What the run needs, here and on the ranks that are asked for.
void print_plan(const Session& session, const cxxopts::ParseResult& given) {
  const bool json = given.count("json") > 0;
  const double peak = measure_matmul_peak(0.2);
  std::optional<ClusterPlan> cluster;
  if (given.count("ranks")) {
    const double speed = given.count("rank-gflops") ? given["rank-gflops"].as<double>() * 1e9
                                                    : measure_training_speed(session.config, *session.task);
    cluster = make_cluster_plan(session.config, session.config.model, session.plan,
                                {count_of(given, "ranks", 1), given["network"].as<double>(), speed,
                                 first_step_flops(session.config, *session.task)});
  }
  if (!json) {
    std::cout << format_plan(session.plan, peak) << (cluster ? format_cluster_plan(*cluster) : "");
    return;
  }
  auto plan = nlohmann::ordered_json::parse(plan_to_json(session.plan, peak));
  if (cluster) plan["cluster"] = nlohmann::ordered_json::parse(cluster_plan_to_json(*cluster));
  print_json(plan);
}

/// Writes FOLDER.sbatch beside the run's folder.
void write_script(const RunChoice& choice, const Session& session, const cxxopts::ParseResult& given) {
  const int ranks = count_of(given, "ranks", 1);
  check_enough_leaves(session.config.model, session.config.train, ranks);
  const fs::path folder = fs::absolute(choice.folder);
  SlurmRun run{fs::read_symlink("/proc/self/exe"), {"train"}, folder, ranks, count_of(given, "threads", num_threads())};
  if (choice.names_run) {
    run.arguments.push_back(folder.string());
  } else {
    run.arguments.insert(run.arguments.end(),
                         {fs::absolute(given["config"].as<std::string>()).string(), "--run-dir", folder.string()});
  }
  run.arguments.push_back("--resume");
  for (const std::string& setting : given_overrides(given)) run.arguments.insert(run.arguments.end(), {"--set", setting});
  fs::path script = folder;
  script += ".sbatch";
  FileSystem files;
  std::error_code ignored;
  fs::create_directories(script.parent_path(), ignored);
  replace_file(files, script, slurm_run_script(run));
  std::cout << script.string() << '\n';
  std::cerr << visible(concat(run.ranks, run.ranks == 1 ? " rank of " : " ranks of ", run.threads,
                              run.threads == 1 ? " thread" : " threads", "; submit with: sbatch ",
                              quote_shell(script.string())))
            << '\n';
}

nlohmann::ordered_json describe_run(const RunChoice& choice, const RunSummary& run) {
  nlohmann::ordered_json result{{"run", choice.folder.string()},
                                {"steps", run.state.step},
                                {"tokens", run.state.tokens_seen},
                                {"seconds", run.state.wall_seconds},
                                {"peak_memory_bytes", peak_resident_bytes()}};
  if (run.state.best_metric) {
    result["best"] = *run.state.best_metric;
    result["best_step"] = run.state.best_step;
  }
  return result;
}

int train_on(Communicator& ranks, int argc, char** argv) {
  std::optional<cxxopts::ParseResult> given;
  CommandLine line = command_line();
  together(ranks, [&] { given = line.parse(argc, argv); });
  if (!given) return 0;
  // Rank 0 speaks for all.
  std::ostream silence(nullptr);
  Console console(ranks.is_first() ? std::cerr : silence,
                  ranks.is_first() ? terminal_features(STDERR_FILENO) : TerminalFeatures());
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& message) {
    warnings.push_back(message);
    console.print("warning: " + message);
  };
  agree_on_instruction_set(ranks, warn);
  RunChoice choice;
  std::optional<Session> session;
  together(ranks, [&] {
    check_flags(*given);
    choice = run_choice(*given);
    session = prepare_session(*given, choice, ranks, warn);
  });
  if (given->count("launcher") > 0 || given->count("dry-run") > 0) {
    on_first_rank(ranks,
                  [&] { given->count("launcher") ? write_script(choice, *session, *given) : print_plan(*session, *given); });
    return 0;
  }
  if (!ranks.is_alone())
    check_same_start(ranks,
                     {COSFORMER_VERSION, session->config, identity_of(*session->task), weights_checksum(*session->model)});
  if (const std::string bound = find_bound_ranks(ranks, num_threads(), read_machine().usable_processors); !bound.empty())
    warn(bound);
  const RunSummary run = train(std::move(*session), console, describe_environment(), ranks);
  if (given->count("json") > 0 && ranks.is_first()) {
    nlohmann::ordered_json result = describe_run(choice, run);
    if (!warnings.empty()) result["warnings"] = warnings;
    print_json(result);
  }
  return run.end == RunEnd::by_signal ? 128 + run.signal : 0;
}

}  // namespace

int run_train(int argc, char** argv) {
  return run_on_ranks([&](Communicator& ranks) { return train_on(ranks, argc, argv); });
}

}  // namespace cosformer
