#include <spdlog/spdlog.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "core/blas_kernels.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "data/tokenizers/registry.h"
#include "train/cli/machine.h"
#include "train/cli/memory_check.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/experiments/run_log.h"
#include "train/loop/earlier_run.h"
#include "train/loop/peak.h"
#include "train/loop/plan.h"
#include "train/loop/trainer.h"
#include "train/store/logging.h"
#include "train/tasks/initial_weights.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// runs/<folder of the config>/<name of the config>.
fs::path default_run_directory(const fs::path& config) {
  const fs::path folder = fs::absolute(config).parent_path().filename();
  return fs::path("runs") / folder / config.stem();
}

/// Where a run's parameters come from, and the config that this makes of the given one.
struct Start {
  Config config;                     ///< what is saved
  std::string tokenizer_folder;      ///< where the tokenizer's files are now; empty = as the config says
  std::optional<ModelFile> weights;  ///< of train.init_from
};

/// A run with a usable checkpoint needs nothing of what it began with. Throws InputError.
Start start_of(const Config& config, const std::optional<EarlierRun>& earlier, const Warn& warn) {
  if (config.train.init_from.empty()) return {config, {}, {}};
  if (earlier && earlier->checkpointed) return {adopt_settings(config, *earlier->checkpointed), {}, {}};
  ModelFile weights = read_initial_weights(config.train.init_from, warn);
  std::string folder = config.task.tokenizer_folder.empty() ? weights.config.task.tokenizer_folder : std::string();
  Config own = adopt_settings(config, weights.config);
  return {std::move(own), std::move(folder), std::move(weights)};
}

/// A run that has a checkpoint goes on with the tokenizer that it began with, not with one that is made again or has changed
/// elsewhere.
Config with_tokenizer_of_run(Config config, const fs::path& run) {
  const bool has_one = find_tokenizer_kind(config.task.tokenizer).has_files && fs::exists(run / kTokenizerFolder);
  if (has_one) config.task.tokenizer_folder = (run / kTokenizerFolder).string();
  return config;
}

/// The tokenizer from `folder`, where the config names none.
Config with_tokenizer_in(Config config, const std::string& folder) {
  if (config.task.tokenizer_folder.empty()) config.task.tokenizer_folder = folder;
  return config;
}

/// What a session runs on, for its log alone.
std::string describe_environment() {
  const Machine machine = read_machine();
  const Arithmetic own = this_arithmetic();
  return concat("cosformer ", COSFORMER_VERSION, ", ", machine.processor.empty() ? "unknown processor" : machine.processor,
                ", ", num_threads(), num_threads() == 1 ? " thread, " : " threads, ", own.instruction_set, ", ",
                own.blas_library, " with kernels ", describe(blas_kernels()));
}

std::string describe(RunEnd end, int signal) {
  switch (end) {
    case RunEnd::finished:
      return "finished";
    case RunEnd::out_of_patience:
      return "stopped: no better result for train.patience evaluations";
    case RunEnd::out_of_time:
      return "stopped: train.max_minutes are over";
    case RunEnd::by_signal:
      return describe_stop(signal);
  }
  return "";
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
  if (given->count("dry-run")) {
    const Start start = start_of(config, earlier, warn);
    config = start.config;
    const std::unique_ptr<Task> task = make_task(
        with_tokenizer_in(choice.names_run ? with_tokenizer_of_run(config, choice.folder) : config, start.tokenizer_folder));
    for (const std::string& remark : task->remarks()) warn(remark);
    config.model = task->complete(config.model);
    const RunPlan plan = make_plan(config, config.model, task->lengths().seq_len);
    check_memory(plan, read_machine());
    // One batch shows that the data can be read.
    task->training_batch(0, config.train.batch_size);
    if (start.weights) {
      const Model model(config.model, static_cast<std::uint64_t>(config.train.seed));
      load_initial_weights(*start.weights, config, model);
    }
    const double peak = measure_matmul_peak(0.2);
    std::cout << (given->count("json") ? plan_to_json(plan, peak) + '\n' : format_plan(plan, peak));
    return 0;
  }

  FileSystem files;
  const fs::path& run = choice.folder;
  RunDirectory::check_usable(run, choice.mode);
  // What is wrong with config or data shows before there is a folder.
  const Start start = start_of(config, earlier, warn);
  config = start.config;
  const bool has_begun = earlier && earlier->checkpointed;
  const Config with_tokenizer = has_begun ? with_tokenizer_of_run(config, run) : config;
  const std::unique_ptr<Task> task = make_task(with_tokenizer_in(with_tokenizer, start.tokenizer_folder));
  for (const std::string& remark : task->remarks()) warn(remark);
  // What the data decides is part of the config that is saved.
  config.model = task->complete(config.model);
  check_memory(make_plan(config, config.model, task->lengths().seq_len), read_machine());
  task->training_batch(0, config.train.batch_size);
  if (earlier) {
    check_identity(*earlier, identity_of(*task), run, warn);
    check_continuation(*earlier, config, run, warn);
  }
  auto model = std::make_unique<Model>(config.model, static_cast<std::uint64_t>(config.train.seed));
  if (start.weights) {
    load_initial_weights(*start.weights, config, *model);
    // Other data is what it is for; another tokenizer than that of the weights is not.
    if (!start.tokenizer_folder.empty())
      warn_of_other_contents(*start.weights, make_identity({}, task->tokenizer_files(), {}), warn);
  }

  RunDirectory directory = RunDirectory::open(files, run, choice.mode);
  if (choice.mode == RunDirectory::Mode::restart) directory.clear(kTokenizerFolder);
  // The config makes the folder a run that can be resumed: it comes before all else.
  if (directory.is_new()) directory.write_config(to_toml(config));
  const auto log = make_logger(console, directory.log_file());
  if (!directory.lock_note().empty()) log->warn("{}", directory.lock_note());
  log->debug("{}{}", kEnvironmentLabel, describe_environment());
  if (!begins_anew && !has_begun) {
    log->info("{}: {}, nothing to resume; the run begins at step 1", run.string(),
              earlier ? "holds no checkpoint" : "holds no run");
  }
  save_tokenizer(task->tokenizer_files(), directory.path());
  Trainer trainer(config, *task, std::move(model), files, directory, console, *log);
  if (!directory.is_new()) directory.write_config(to_toml(config));
  if (start.weights) {
    log->info("beginning with {}", start.weights->weights.string());
    trainer.save_start();
  }
  const RunEnd end = trainer.run();
  log->info("{}: {} after {} steps{}", run.string(), describe(end, trainer.signal()), trainer.state().step,
            end == RunEnd::by_signal ? concat("; continue with `", continue_command(run), '`') : "");
  if (given->count("json")) {
    nlohmann::ordered_json result{{"run", run.string()},
                                  {"steps", trainer.state().step},
                                  {"tokens", trainer.state().tokens_seen},
                                  {"seconds", trainer.state().wall_seconds},
                                  {"peak_memory_bytes", peak_resident_bytes()}};
    if (trainer.state().best_metric) {
      result["best"] = *trainer.state().best_metric;
      result["best_step"] = trainer.state().best_step;
    }
    if (!warnings.empty()) result["warnings"] = warnings;
    print_json(result);
  }
  return end == RunEnd::by_signal ? 128 + trainer.signal() : 0;
}

}  // namespace cosformer
