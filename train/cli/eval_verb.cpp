#include <spdlog/spdlog.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/figure_text.h"
#include "train/cli/continuations.h"
#include "train/cli/failure.h"
#include "train/cli/model_argument.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/loop/progress.h"
#include "train/loop/rank_agreement.h"
#include "train/loop/rank_checks.h"
#include "train/store/logging.h"

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

CommandLine command_line() {
  CommandLine line("cosformer eval", "Scores a checkpoint: of a run its best one.");
  line.positional("model", "RUN|CHECKPOINT", "a run folder, a checkpoint folder or a .safetensors file");
  line.options()("split", "train, valid or test", cxxopts::value<std::string>()->default_value("valid"), "SPLIT");
  line.options()("loglikelihood",
                 "score the continuations of a file of JSON lines: {\"context\": …, \"continuations\": [ … ]}",
                 cxxopts::value<std::string>(), "FILE.jsonl");
  line.options()("config", "a config for weights that hold none", cxxopts::value<std::string>(), "CONFIG.toml");
  add_set_option(line);
  add_json_option(line);
  return line;
}

/// What is scored.
struct Scored {
  ModelFile file;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;
  Split split = Split::valid;
};

Scored read_scored(const cxxopts::ParseResult& given, const Warn& warn) {
  Scored scored{given_model_file(given, warn), {}, {}};
  ModelFile& file = scored.file;
  scored.split = find_split(given["split"].as<std::string>(), "--split");
  // Only the text that is scored is read.
  keep_needed_texts(file.config.task, scored.split);
  scored.task = make_task(file.config);
  warn_of_other_contents(file, identity_of(*scored.task), warn);
  scored.model = make_model(file, scored.task->complete(file.config.model));
  return scored;
}

void print_evaluation(const Evaluation& result, const ModelFile& file, bool as_json,
                      const std::vector<std::string>& warnings) {
  if (!as_json) {
    std::cout << file.weights.string() << "  " << split_name(result.split) << '\n';
    for (const auto& [name, value] : result.values) std::cout << fmt::format("  {:<16} {}\n", name, figure_text(value, 8));
    std::cout << format_classes(result.classes);
    return;
  }
  nlohmann::ordered_json json{{"split", split_name(result.split)}};
  for (const auto& [name, value] : result.values) {
    const bool whole = name == "tokens" || name == "examples" || name == "correct";
    json[name] = whole ? nlohmann::ordered_json(static_cast<std::int64_t>(value)) : nlohmann::ordered_json(value);
  }
  if (!result.classes.empty()) json["classes"] = classes_to_json(result.classes);
  if (file.step) json["step"] = *file.step;
  json["checkpoint"] = file.weights.string();
  if (!warnings.empty()) json["warnings"] = warnings;
  print_json(json);
}

int eval_on(Communicator& ranks, int argc, char** argv) {
  std::optional<cxxopts::ParseResult> given;
  CommandLine line = command_line();
  together(ranks, [&] { given = line.parse(argc, argv); });
  if (!given) return 0;
  // Rank 0 speaks for all.
  std::ostream silence(nullptr);
  Console console(ranks.is_first() ? std::cerr : silence,
                  ranks.is_first() ? terminal_features(STDERR_FILENO) : TerminalFeatures());
  const auto log = make_logger(console);
  std::vector<std::string> warnings;
  const Warn warn = [&](const std::string& message) {
    warnings.push_back(message);
    log->warn(message);
  };
  agree_on_instruction_set(ranks, warn);
  if (given->count("loglikelihood")) {
    on_first_rank(ranks, [&] { print_continuation_scores(*given, warn); });
    return 0;
  }
  Scored scored;
  together(ranks, [&] { scored = read_scored(*given, warn); });
  if (!ranks.is_alone())
    check_same_start(ranks,
                     {COSFORMER_VERSION, scored.file.config, identity_of(*scored.task), weights_checksum(*scored.model)});
  ProgressDisplay progress(console, 1, true);
  const auto show = [&](std::int64_t done, std::int64_t batches) {
    progress.update_evaluation(done, batches, now_seconds());
    return false;
  };
  const Evaluation result = *scored.task->evaluate(*scored.model, scored.split, 0, show, ranks);
  progress.finish();
  if (ranks.is_first()) print_evaluation(result, scored.file, given->count("json") > 0, warnings);
  return 0;
}

}  // namespace

int run_eval(int argc, char** argv) {
  return run_on_ranks([&](Communicator& ranks) { return eval_on(ranks, argc, argv); });
}

}  // namespace cosformer
