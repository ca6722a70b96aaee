#include <spdlog/spdlog.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "core/blas_info.h"
#include "core/blas_kernels.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/simd.h"
#include "data/tokenizers/registry.h"
#include "train/cli/machine.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/initial_weights.h"
#include "train/logging.h"
#include "train/peak.h"
#include "train/plan.h"
#include "train/report/run_log.h"
#include "train/tasks/task_tokenizer.h"
#include "train/trainer.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// runs/<folder of the config>/<name of the config>.
fs::path default_run_directory(const fs::path& config) {
  const fs::path folder = fs::absolute(config).parent_path().filename();
  return fs::path("runs") / folder / config.stem();
}

/// A run goes on under the config that it began with; these keys only say how long it runs and what it reports.
bool may_change_on_resume(const std::string& key) {
  constexpr const char* kFree[] = {"train.max_steps",  "train.max_minutes", "train.patience", "train.threads",
                                   "train.log_every",  "train.eval_every",  "train.eval_max_batches",
                                   "train.max_nonfinite_steps"};
  return std::ranges::find(kFree, key) != std::end(kFree) || key.starts_with("checkpoint.") || key.starts_with("logging.");
}

void check_resumed_config(const Config& config, const RunDirectory& directory) {
  if (directory.is_new() || !fs::exists(directory.config_file())) return;
  for (const ConfigDifference& difference : differences(load_config(directory.config_file()), config)) {
    check<InputError>(may_change_on_resume(difference.key), directory.config_file().string(), ": ", difference.key, " is ",
                      difference.first, " in the run and ", difference.second,
                      " now; a run goes on under its own config (another --run-dir starts a new one)");
  }
}

/// Where a run's parameters come from, and the config that this makes of the given one.
struct Start {
  Config config;                     ///< what is saved
  std::string tokenizer_folder;      ///< where the tokenizer's files are now; empty = as the config says
  std::optional<ModelFile> weights;  ///< of train.init_from
};

/// `run` may not exist. A run with a whole checkpoint needs nothing of what it began with. Throws InputError.
Start start_of(const Config& config, const fs::path& run, const Warn& warn) {
  if (config.train.init_from.empty()) return {config, {}, {}};
  const fs::path saved = run / "config.toml";
  // The trainer warns of damaged checkpoints, once.
  const Warn ignore = [](const std::string&) {};
  const bool has_begun = fs::exists(saved) && find_latest_checkpoint(run / "checkpoints", ignore).has_value();
  if (has_begun) return {adopt_settings(config, load_config(saved)), {}, {}};
  ModelFile weights = read_initial_weights(config.train.init_from, warn);
  std::string folder = config.task.tokenizer_folder.empty() ? weights.config.task.tokenizer_folder : std::string();
  Config own = adopt_settings(config, weights.config);
  return {std::move(own), std::move(folder), std::move(weights)};
}

/// A run goes on with the tokenizer that it began with, not with one that is made again.
Config with_tokenizer_of_run(Config config, const fs::path& run) {
  const bool makes_one = config.task.tokenizer_folder.empty() && tokenizer_has_files(config.task.tokenizer);
  if (makes_one && fs::exists(run / kTokenizerFolder)) config.task.tokenizer_folder = (run / kTokenizerFolder).string();
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
  const BlasInfo blas = blas_info();
  // "OpenBLAS 0.3.21"; what follows are options of its build.
  const std::string version = blas.version.substr(0, blas.version.find(' ', blas.version.find(' ') + 1));
  return concat("cosformer ", COSFORMER_VERSION, ", ", machine.processor.empty() ? "unknown processor" : machine.processor,
                ", ", num_threads(), num_threads() == 1 ? " thread, " : " threads, ", instruction_set(), ", ", version,
                " with kernels ", describe(blas_kernels()));
}

std::string describe(RunEnd end, int signal) {
  switch (end) {
    case RunEnd::finished: return "finished";
    case RunEnd::out_of_patience: return "stopped: no better result for train.patience evaluations";
    case RunEnd::out_of_time: return "stopped: train.max_minutes are over";
    case RunEnd::by_signal: return describe_stop(signal) + "; --resume continues";
  }
  return "";
}

}  // namespace

int run_train(int argc, char** argv) {
  CommandLine line("cosformer train", "Trains a model as a config says, or continues a run.");
  add_config_options(line);
  line.options()("run-dir", "the run's folder (default: runs/<folder>/<name of the config>)", cxxopts::value<std::string>(), "DIR");
  line.options()("resume", "continue the run in its folder");
  line.options()("dry-run", "check config, data and shapes, print what the run needs, and stop");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;

  Config config = given_config(*given);
  if (config.train.threads > 0) set_num_threads(static_cast<int>(config.train.threads));
  const fs::path path = (*given)["config"].as<std::string>();
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  const auto warn = [&](const std::string& message) { console.print("warning: " + message); };
  if (given->count("dry-run")) {
    const Start start = start_of(config, {}, warn);
    config = start.config;
    const std::unique_ptr<Task> task = make_task(with_tokenizer_in(config, start.tokenizer_folder));
    // One batch shows that the data can be read.
    task->training_batch(0, config.train.batch_size);
    config.model = task->complete(config.model);
    if (start.weights) {
      const Model model(config.model, task->causal_length(), static_cast<std::uint64_t>(config.train.seed));
      load_initial_weights(*start.weights, config, model);
    }
    const RunPlan plan = make_plan(config, config.model, task->causal_length());
    const double peak = measure_matmul_peak(0.2);
    std::cout << (given->count("json") ? plan_to_json(plan, peak) + '\n' : format_plan(plan, peak));
    return 0;
  }

  FileSystem files;
  const fs::path run = given->count("run-dir") ? fs::path((*given)["run-dir"].as<std::string>()) : default_run_directory(path);
  const auto mode = given->count("resume") ? RunDirectory::Mode::resume : RunDirectory::Mode::create;
  RunDirectory::check_usable(run, mode);
  // What is wrong with config or data shows before there is a folder.
  const Start start = start_of(config, run, warn);
  config = start.config;
  const std::unique_ptr<Task> task =
      make_task(with_tokenizer_in(with_tokenizer_of_run(config, run), start.tokenizer_folder));
  task->training_batch(0, config.train.batch_size);
  // What the data decides is part of the config that is saved.
  config.model = task->complete(config.model);
  auto model = std::make_unique<Model>(config.model, task->causal_length(), static_cast<std::uint64_t>(config.train.seed));
  if (start.weights) load_initial_weights(*start.weights, config, *model);

  RunDirectory directory = RunDirectory::open(files, run, mode);
  check_resumed_config(config, directory);
  // The config makes the folder a run that can be resumed: it comes before all else.
  if (directory.is_new()) directory.write_config(to_toml(config));
  const auto log = make_logger(console, directory.log_file());
  if (!directory.lock_note().empty()) log->warn("{}", directory.lock_note());
  log->debug("{}{}", kEnvironmentLabel, describe_environment());
  task->save_assets(directory.path());
  Trainer trainer(config, *task, std::move(model), files, directory, console, *log);
  if (!directory.is_new()) directory.write_config(to_toml(config));
  if (start.weights) {
    log->info("beginning with {}", start.weights->weights.string());
    trainer.save_start();
  }
  const RunEnd end = trainer.run();
  log->info("{}: {} after {} steps", run.string(), describe(end, trainer.signal()), trainer.state().step);
  if (given->count("json")) {
    nlohmann::ordered_json result{{"run", run.string()}, {"steps", trainer.state().step}, {"tokens", trainer.state().tokens_seen},
                                  {"seconds", trainer.state().wall_seconds}, {"peak_memory_bytes", peak_resident_bytes()}};
    if (trainer.state().best_metric) {
      result["best"] = *trainer.state().best_metric;
      result["best_step"] = trainer.state().best_step;
    }
    print_json(result);
  }
  return end == RunEnd::by_signal ? 128 + trainer.signal() : 0;
}

}  // namespace cosformer
