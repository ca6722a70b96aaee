#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>

#include <spdlog/spdlog.h>

#include "core/error.h"
#include "core/parallel.h"
#include "layers/cost.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/execution.h"
#include "train/logging.h"
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

/// What a run would be: sizes, arithmetic and memory.
nlohmann::ordered_json plan(const Config& config, const Task& task) {
  const ModelConfig model_config = task.complete(config.model);
  const Model model(model_config, task.causal_length(), static_cast<std::uint64_t>(config.train.seed));
  const std::int64_t rows = config.train.batch_size / config.train.accumulation;
  const std::int64_t shards = shard_count(model_config, config.train.shards, rows);
  const auto optimizer = make_optimizer(config.optimizer, model.parameters());
  std::int64_t moment_elements = 0;
  for (const auto& [name, tensor] : optimizer->state()) moment_elements += tensor.size();
  const std::int64_t elements = count_elements(model.parameters());
  const MemoryEstimate memory = estimate_memory(model_config, elements, moment_elements / std::max<std::int64_t>(elements, 1), rows,
                                                task.causal_length(), shards, num_threads());
  const double flops = 3.0 * forward_flops_per_token(model_config, task.causal_length());
  nlohmann::ordered_json result;
  result["parameters"] = elements;
  result["vocab_size"] = model_config.vocab_size;
  result["tokens_per_step"] = config.train.batch_size * task.causal_length();
  result["training_flops_per_token"] = flops;
  result["shards"] = shards;
  result["memory_bytes"] = {{"parameters", memory.parameters}, {"gradients", memory.gradients}, {"optimizer", memory.optimizer},
                            {"activations", memory.activations}, {"total", memory.total()}};
  // One batch shows that the data can be read.
  if (task.has_split(Split::train)) task.training_batch(0, rows);
  return result;
}

void print_plan(const nlohmann::ordered_json& plan) {
  const auto mebibytes = [&](const char* part) {
    return fmt::format("{:.1f} MiB", plan["memory_bytes"][part].get<double>() / (1 << 20));
  };
  std::cout << fmt::format("parameters            {:>14L}\n", plan["parameters"].get<std::int64_t>())
            << fmt::format("vocab_size            {:>14}\n", plan["vocab_size"].get<std::int64_t>())
            << fmt::format("tokens a step         {:>14}\n", plan["tokens_per_step"].get<std::int64_t>())
            << fmt::format("training FLOPs/token  {:>14.4g}\n", plan["training_flops_per_token"].get<double>())
            << fmt::format("shards                {:>14}\n", plan["shards"].get<std::int64_t>())
            << fmt::format("memory, about         {:>14}  (parameters {}, gradients {}, optimizer {}, activations {})\n",
                           mebibytes("total"), mebibytes("parameters"), mebibytes("gradients"), mebibytes("optimizer"),
                           mebibytes("activations"));
}

int exit_code(RunEnd end) {
  if (end == RunEnd::interrupted) return 128 + SIGINT;
  if (end == RunEnd::terminated) return 128 + SIGTERM;
  return 0;
}

const char* describe(RunEnd end) {
  switch (end) {
    case RunEnd::finished: return "finished";
    case RunEnd::out_of_patience: return "stopped: no better result for train.patience evaluations";
    case RunEnd::out_of_time: return "stopped: train.max_minutes are over";
    case RunEnd::interrupted: return "interrupted; --resume continues";
    case RunEnd::terminated: return "terminated; --resume continues";
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

  const Config config = given_config(*given);
  if (config.train.threads > 0) set_num_threads(static_cast<int>(config.train.threads));
  const fs::path path = (*given)["config"].as<std::string>();
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  if (given->count("dry-run")) {
    const nlohmann::ordered_json result = plan(config, *make_task(config));
    given->count("json") ? void(std::cout << result.dump() << '\n') : print_plan(result);
    return 0;
  }

  FileSystem files;
  const fs::path run = given->count("run-dir") ? fs::path((*given)["run-dir"].as<std::string>()) : default_run_directory(path);
  RunDirectory directory =
      RunDirectory::open(files, run, given->count("resume") ? RunDirectory::Mode::resume : RunDirectory::Mode::create);
  check_resumed_config(config, directory);
  const auto log = make_logger(console, directory.log_file());
  const std::unique_ptr<Task> task = make_task(config);
  task->save_assets(directory.path());
  Trainer trainer(config, *task, files, directory, console, *log);
  directory.write_config(to_toml(config));
  const RunEnd end = trainer.run();
  log->info("{}: {} after {} steps", run.string(), describe(end), trainer.state().step);
  if (given->count("json")) {
    nlohmann::ordered_json result{{"run", run.string()}, {"steps", trainer.state().step}, {"tokens", trainer.state().tokens_seen},
                                  {"seconds", trainer.state().wall_seconds}};
    if (trainer.state().best_metric) {
      result["best"] = *trainer.state().best_metric;
      result["best_step"] = trainer.state().best_step;
    }
    std::cout << result.dump() << '\n';
  }
  return exit_code(end);
}

}  // namespace cosformer
