#include "train/tasks/loaded_model.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "data/tokenizers/registry.h"
#include "layers/low_rank_adapter.h"
#include "train/store/model_parameters.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// The tokenizer folder in the checkpoint `weights` (an imported one has its own) or in the run that it belongs to
/// (RUN/checkpoints/step-…[/model.safetensors]); empty if there is none.
fs::path tokenizer_of_run(const fs::path& weights) {
  std::error_code ignored;
  fs::path folder = fs::absolute(weights).lexically_normal();
  if (!fs::is_directory(folder, ignored)) folder = folder.parent_path();
  if (fs::is_directory(folder / kTokenizerFolder, ignored)) return folder / kTokenizerFolder;
  const fs::path checkpoints = folder.parent_path();
  const fs::path of_run = checkpoints.parent_path() / kTokenizerFolder;
  return checkpoints.filename() == "checkpoints" && fs::is_directory(of_run, ignored) ? of_run : fs::path();
}

/// Whether two tensors hold the same numbers.
bool has_same_elements(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return false;
  const Tensor first = a.to(DType::float64), second = b.to(DType::float64);
  return std::memcmp(first.data<double>(), second.data<double>(), static_cast<std::size_t>(first.bytes())) == 0;
}

}  // namespace

ModelFile read_model_file(const fs::path& path, const std::optional<fs::path>& config_file,
                          std::span<const std::string> overrides, const Warn& warn, const Config* without_config) {
  ModelFile file;
  file.weights = find_weights(path, warn);
  Weights weights = read_weights(file.weights);
  file.parameters = std::move(weights.parameters);
  file.unusable = std::move(weights.unusable);
  file.step = weights.step;
  file.identity = std::move(weights.identity);
  if (config_file) {
    file.config = load_config(*config_file, overrides);
  } else if (!weights.config && without_config != nullptr) {
    file.config = *without_config;
    file.holds_config = false;
  } else {
    check<InputError>(weights.config.has_value(), file.weights.string(),
                      ": the file holds no config; name one with --config CONFIG.toml");
    file.config = config_from_json(*weights.config, overrides, file.weights.string());
  }
  std::vector<std::string> of_this_machine;
  std::ranges::copy_if(overrides, std::back_inserter(of_this_machine),
                       [](const std::string& assignment) { return assignment.starts_with("train.threads="); });
  file.config.train.threads = config_from_overrides(of_this_machine).train.threads;
  TaskConfig& task = file.config.task;
  const bool is_chosen =
      (config_file && !task.tokenizer_folder.empty()) || std::ranges::any_of(overrides, [](const std::string& assignment) {
        return assignment.starts_with("task.tokenizer_folder=");
      });
  if (!is_chosen && find_tokenizer_kind(task.tokenizer).has_files) {
    if (const fs::path own = tokenizer_of_run(file.weights); !own.empty()) task.tokenizer_folder = own.string();
  }
  return file;
}

void warn_of_other_contents(const ModelFile& file, const RunIdentity& now, const Warn& warn) {
  for (const std::string& line : content_differences(file.identity, now, file.config.task.tokenizer_folder)) warn(line);
}

void keep_needed_texts(TaskConfig& task, std::optional<Split> split) {
  const bool makes_tokenizer = task.tokenizer_folder.empty() && find_tokenizer_kind(task.tokenizer).has_files;
  if (split != Split::train && !makes_tokenizer) task.train.clear();
  if (split != Split::valid) task.valid.clear();
  if (split != Split::test) task.test.clear();
}

TensorMap weights_by_parameter(const ModelFile& file, const Model& model) {
  for (const Parameter& parameter : model.parameters()) {
    const auto found = file.unusable.find(parameter.name);
    if (found != file.unusable.end())
      throw InputError(concat(file.weights.string(), ": ", unusable_dtype(found->first, found->second)));
  }
  TensorMap weights = file.parameters;
  for (const auto& [name, parameter] : model.tied_names()) {
    const auto second = weights.find(name);
    if (second == weights.end()) continue;
    const auto [first, is_new] = weights.emplace(parameter, second->second);
    check<InputError>(is_new || has_same_elements(first->second, second->second), file.weights.string(), ": tensors \"",
                      name, "\" and \"", parameter,
                      "\" differ, but the config ties them (model.tie_embeddings and its like)");
    weights.erase(second);
  }
  return weights;
}

std::unique_ptr<Model> make_model(const ModelFile& file, const ModelConfig& config) {
  const auto seed = static_cast<std::uint64_t>(file.config.train.seed);
  // A file's config may ask for any size: nothing is allocated for it before the file's tensors are seen to fit.
  const Model shapes(config, seed, DType::float32, ParameterValues::shapes_only);
  TensorMap weights = weights_by_parameter(file, shapes);
  check_usable(shapes.parameters(), weights, file.weights.string());
  ModelConfig own = config;
  own.adaptation = {};
  merge_adapters(weights, config.adaptation.lora, file.weights.string());
  auto model = std::make_unique<Model>(own, seed);
  load_parameters(model->parameters(), weights, file.weights.string());
  return model;
}

}  // namespace cosformer
