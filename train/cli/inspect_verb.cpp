#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/figure_text.h"
#include "core/printable.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/loop/plan.h"
#include "train/store/checkpoint_store.h"
#include "train/store/console.h"
#include "train/tasks/task.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// The plan of a config. The vocabulary and the classes come from the data unless the config states the vocabulary.
RunPlan plan_of_config(const Config& config) {
  ModelConfig model = config.model;
  if (model.vocab_size > 0) {
    const std::int64_t length = config.task.seq_len + (config.task.class_token ? 1 : 0);
    if (model.max_length == 0) model.max_length = length;
    if (predicts_masked_tokens(config.task.name)) model.lm_head = true;
    return make_plan(config, model, length);
  }
  const std::unique_ptr<Task> task = make_task(config);
  return make_plan(config, task->complete(model), task->lengths().seq_len);
}

/// A number of the state, or "not finite": JSON has no such numbers.
std::string text_of(const nlohmann::ordered_json& value) {
  return value.is_number_float() && !std::isfinite(value.get<double>()) ? kNotFinite : value.dump();
}

nlohmann::ordered_json describe_state(const RunState& state) {
  nlohmann::ordered_json json{{"step", state.step},
                              {"epoch", state.epoch},
                              {"tokens_seen", state.tokens_seen},
                              {"wall_seconds", state.wall_seconds},
                              {"skipped_steps", state.nonfinite_total}};
  if (state.metric) json["metric"] = *state.metric;
  if (state.best_metric) {
    json["best_metric"] = *state.best_metric;
    json["best_step"] = state.best_step;
  }
  return json;
}

/// Tensors, metadata and, of a run's checkpoint, its state.
int inspect_checkpoint(const fs::path& path, bool as_json) {
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  std::error_code ignored;
  std::vector<std::string> warnings;
  const fs::path weights = find_weights(path, [&](const std::string& message) {
    warnings.push_back(message);
    console.print("warning: " + message);
  });
  const fs::path file = fs::is_directory(weights) ? weights / kModelFile : weights;
  const SafetensorsHeader header = read_safetensors_header(file);
  std::int64_t elements = 0;
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const TensorInfo& tensor : header.tensors) {
    elements += tensor.shape.size();
    const auto dims = tensor.shape.dims();
    tensors.push_back(
        {{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", std::vector<std::int64_t>(dims.begin(), dims.end())}});
  }
  nlohmann::ordered_json json{{"file", file.string()}, {"parameters", elements}};
  if (fs::exists(weights / kStateFile, ignored)) {
    json["state"] = describe_state(read_state_document(weights).state);
  } else if (const auto step = step_of(header.metadata)) {
    json["step"] = *step;
  }
  if (as_json) {
    json["metadata"] = header.metadata;
    json["tensors"] = tensors;
    if (!warnings.empty()) json["warnings"] = warnings;
    print_json(json);
    return 0;
  }
  std::cout << file.string() << '\n';
  for (const TensorInfo& tensor : header.tensors) {
    std::cout << fmt::format("  {:<56} {:<5} {}\n", visible(tensor.name), tensor.dtype, concat(tensor.shape));
  }
  std::cout << "parameters  " << elements << '\n';
  if (json.contains("step")) std::cout << fmt::format("{:<16} {}\n", "step", json["step"].dump());
  if (json.contains("state")) {
    for (const auto& [key, value] : json["state"].items()) std::cout << fmt::format("{:<16} {}\n", key, text_of(value));
  }
  return 0;
}

}  // namespace

int run_inspect(int argc, char** argv) {
  CommandLine line("cosformer inspect", "What a config asks for, or what a checkpoint holds.");
  line.positional("config", "CONFIG.toml|RUN|CHECKPOINT",
                  "a config, a run folder, a checkpoint folder or a .safetensors file");
  add_set_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const fs::path path = (*given)["config"].as<std::string>();
  const bool as_json = given->count("json") > 0;
  if (path.extension() != ".toml") {
    check<InputError>(given_overrides(*given).empty(), "--set: only a config has keys to set");
    return inspect_checkpoint(path, as_json);
  }
  const RunPlan plan = plan_of_config(given_config(*given));
  std::cout << (as_json ? plan_to_json(plan) + '\n' : format_plan(plan));
  return 0;
}

}  // namespace cosformer
