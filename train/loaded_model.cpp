#include "train/loaded_model.h"

#include "core/error.h"
#include "data/tokenizers/registry.h"
#include "train/tasks/language_modeling.h"
#include "train/trainer.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// The tokenizer folder of the run that `weights` (RUN/checkpoints/step-…[/model.safetensors]) belongs to; empty for weights
/// outside a run.
fs::path tokenizer_of_run(const fs::path& weights) {
  fs::path folder = fs::absolute(weights).lexically_normal();
  for (int up = 0; up < 3; ++up) {
    folder = folder.parent_path();
    if (fs::is_directory(folder / kTokenizerFolder)) return folder / kTokenizerFolder;
  }
  return {};
}

}  // namespace

ModelFile read_model_file(const fs::path& path, const std::optional<fs::path>& config_file,
                          std::span<const std::string> overrides, const Warn& warn) {
  ModelFile file;
  file.weights = find_weights(path, warn);
  Weights weights = read_weights(file.weights);
  file.parameters = std::move(weights.parameters);
  file.step = weights.step;
  if (config_file) {
    file.config = load_config(*config_file, overrides);
  } else {
    check<InputError>(weights.config.has_value(), file.weights.string(),
                      ": the file holds no config; name one with --config CONFIG.toml");
    file.config = config_from_json(*weights.config, overrides, file.weights.string());
  }
  TaskConfig& task = file.config.task;
  if (task.tokenizer_folder.empty() && tokenizer_has_files(task.tokenizer)) {
    task.tokenizer_folder = tokenizer_of_run(file.weights).string();
  }
  return file;
}

std::unique_ptr<Model> make_model(const ModelFile& file, const ModelConfig& config, std::int64_t causal_length) {
  auto model = std::make_unique<Model>(config, causal_length, static_cast<std::uint64_t>(file.config.train.seed));
  load_parameters(model->parameters(), file.parameters, file.weights.string());
  return model;
}

}  // namespace cosformer
