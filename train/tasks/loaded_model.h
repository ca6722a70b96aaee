#pragma once
/// \file
/// A trained model with its task, from what a user names: a run, a checkpoint or a file of weights.

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "train/store/checkpoint_store.h"
#include "train/tasks/task.h"

namespace cosformer {

/// Parameters on disk and the config that explains them.
struct ModelFile {
  std::filesystem::path weights;  ///< the safetensors file or checkpoint folder that was chosen
  TensorMap parameters;
  std::map<std::string, std::string> unusable;  ///< see TensorFile
  Config config;
  bool holds_config = true;          ///< false: `config` is the one that was given for weights without one
  std::optional<std::int64_t> step;  ///< where the file has it
  RunIdentity identity;              ///< of the run that trained the weights, if its checkpoint has it
};

/// Reads the weights that `path` names: of a run its best checkpoint. The config comes from the file's metadata, or from
/// `config_file` if that is given, with `overrides` on top. A run's own tokenizer is used unless `overrides` name another
/// folder. `train.threads` belongs to the machine that trained: only `overrides` can set it. Weights that hold no config are
/// taken for those of a model of `without_config`, or refused if it is null. Throws InputError, one line.
ModelFile read_model_file(const std::filesystem::path& path, const std::optional<std::filesystem::path>& config_file,
                          std::span<const std::string> overrides, const Warn& warn, const Config* without_config = nullptr);

/// Warns of each content that `now` has in common with the run that trained the weights of `file`, and that is another.
void warn_of_other_contents(const ModelFile& file, const RunIdentity& now, const Warn& warn);

/// Clears the paths of all texts but that of `split`. The training text stays if a tokenizer must be made from it.
void keep_needed_texts(TaskConfig& task, std::optional<Split> split);

/// The weights of `file` by the names of the model's parameters. Where parameters are tied, other programs may store the one
/// tensor under both names, or under the other one. Throws InputError if the two differ, and if a parameter's tensor
/// has a dtype that cannot be used; unusable tensors that no parameter needs are left out.
TensorMap weights_by_parameter(const ModelFile& file, const Model& model);

/// The model of `file` for `task`, with its parameters set, adapters merged into the weights beside them, and nothing
/// frozen. Throws InputError if they do not fit the config or are not finite.
std::unique_ptr<Model> make_model(const ModelFile& file, const ModelConfig& config);

}  // namespace cosformer
