#include <iostream>
#include <nlohmann/json.hpp>

#include "core/blas_kernels.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "train/cli/machine.h"
#include "train/cli/memory_check.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/loop/peak.h"
#include "train/loop/session.h"

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

}  // namespace

int run_train(int argc, char** argv) {
  CommandLine line("cosformer train", "Trains a model as a config says, or continues a run.");
  line.positional("config", "CONFIG.toml|RUN", "the config file, or with --resume the folder of a run");
  add_set_option(line);
  line.options()("run-dir", "the run's folder (default: runs/<folder>/<name of the config>)", cxxopts::value<std::string>(),
                 "DIR");
  line.options()("resume", "continue the run in its folder");
  line.options()("restart",
                 "begin the run in its folder anew: removes its checkpoints, metrics, TensorBoard events and tokenizer");
  line.options()("dry-run", "check config, data and shapes, print what the run needs, and stop");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;

  Console console(std::cerr, terminal_features(STDERR_FILENO));
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& message) {
    warnings.push_back(message);
    console.print("warning: " + message);
  };
  const RunChoice choice = run_choice(*given);
  const bool begins_anew = choice.mode == RunDirectory::Mode::create || choice.mode == RunDirectory::Mode::restart;
  std::optional<EarlierRun> earlier;
  if (choice.mode != RunDirectory::Mode::restart && (!begins_anew || choice.names_run)) {
    earlier = read_earlier_run(choice.folder, warn);
  }
  Config config = config_for(*given, choice, earlier);
  if (begins_anew) earlier.reset();
  if (config.train.threads > 0) set_num_threads(static_cast<int>(config.train.threads));
  const bool dry_run = given->count("dry-run") > 0;
  Session session = prepare({.config = std::move(config),
                             .folder = choice.folder,
                             .mode = choice.mode,
                             .earlier = std::move(earlier),
                             .tokenizer_of_folder = dry_run && choice.names_run,
                             .plan_only = dry_run},
                            warn, [](const RunPlan& plan) { check_memory(plan, read_machine()); });
  if (dry_run) {
    const double peak = measure_matmul_peak(0.2);
    std::cout << (given->count("json") ? plan_to_json(session.plan, peak) + '\n' : format_plan(session.plan, peak));
    return 0;
  }
  const RunSummary run = train(std::move(session), console, describe_environment());
  if (given->count("json")) {
    nlohmann::ordered_json result{{"run", choice.folder.string()},
                                  {"steps", run.state.step},
                                  {"tokens", run.state.tokens_seen},
                                  {"seconds", run.state.wall_seconds},
                                  {"peak_memory_bytes", peak_resident_bytes()}};
    if (run.state.best_metric) {
      result["best"] = *run.state.best_metric;
      result["best_step"] = run.state.best_step;
    }
    if (!warnings.empty()) result["warnings"] = warnings;
    print_json(result);
  }
  return run.end == RunEnd::by_signal ? 128 + run.signal : 0;
}

}  // namespace cosformer
