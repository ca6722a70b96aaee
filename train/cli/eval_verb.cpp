#include <spdlog/spdlog.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/figure_text.h"
#include "core/parallel.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/loop/progress.h"
#include "train/store/logging.h"
#include "train/tasks/loaded_model.h"

namespace cosformer {

namespace {

nlohmann::ordered_json classes_to_json(const std::vector<ClassCount>& classes) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const ClassCount& count = classes[label];
    rows.push_back(
        {{"class", label}, {"examples", count.examples}, {"predicted", count.predicted}, {"correct", count.correct}});
  }
  return rows;
}

/// One line per class; nothing for what is no classification.
std::string format_classes(const std::vector<ClassCount>& classes) {
  if (classes.empty()) return {};
  std::string text = fmt::format("  {:<8} {:>9} {:>9} {:>9}\n", "class", "examples", "predicted", "correct");
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const ClassCount& count = classes[label];
    text += fmt::format("  {:<8} {:>9} {:>9} {:>9}\n", label, count.examples, count.predicted, count.correct);
  }
  return text;
}

}  // namespace

int run_eval(int argc, char** argv) {
  CommandLine line("cosformer eval", "Scores a checkpoint: of a run its best one.");
  line.positional("model", "RUN|CHECKPOINT", "a run folder, a checkpoint folder or a .safetensors file");
  line.options()("split", "train, valid or test", cxxopts::value<std::string>()->default_value("valid"), "SPLIT");
  line.options()("config", "a config for weights that hold none", cxxopts::value<std::string>(), "CONFIG.toml");
  add_set_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;

  Console console(std::cerr, terminal_features(STDERR_FILENO));
  const auto log = make_logger(console);
  std::vector<std::string> warnings;
  const Warn warn = [&](const std::string& message) {
    warnings.push_back(message);
    log->warn(message);
  };
  std::optional<std::filesystem::path> config_file;
  if (given->count("config")) config_file = (*given)["config"].as<std::string>();
  ModelFile file = read_model_file((*given)["model"].as<std::string>(), config_file, given_overrides(*given), warn);
  if (file.config.train.threads > 0) set_num_threads(static_cast<int>(file.config.train.threads));
  const Split split = find_split((*given)["split"].as<std::string>(), "--split");
  // Only the text that is scored is read.
  keep_needed_texts(file.config.task, split);
  const std::unique_ptr<Task> task = make_task(file.config);
  warn_of_other_contents(file, identity_of(*task), warn);
  const std::unique_ptr<Model> model = make_model(file, task->complete(file.config.model));
  ProgressDisplay progress(console, 1, true);
  const auto show = [&](std::int64_t done, std::int64_t batches) {
    progress.update_evaluation(done, batches, now_seconds());
    return false;
  };
  const Evaluation result = *task->evaluate(*model, split, 0, show);
  progress.finish();
  if (given->count("json")) {
    nlohmann::ordered_json json{{"split", split_name(split)}};
    for (const auto& [name, value] : result.values) {
      const bool whole = name == "tokens" || name == "examples" || name == "correct";
      json[name] = whole ? nlohmann::ordered_json(static_cast<std::int64_t>(value)) : nlohmann::ordered_json(value);
    }
    if (!result.classes.empty()) json["classes"] = classes_to_json(result.classes);
    if (file.step) json["step"] = *file.step;
    json["checkpoint"] = file.weights.string();
    if (!warnings.empty()) json["warnings"] = warnings;
    print_json(json);
  } else {
    std::cout << file.weights.string() << "  " << split_name(split) << '\n';
    for (const auto& [name, value] : result.values) std::cout << fmt::format("  {:<16} {}\n", name, figure_text(value, 8));
    std::cout << format_classes(result.classes);
  }
  return 0;
}

}  // namespace cosformer
