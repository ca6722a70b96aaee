#pragma once
/// \file
/// Parameters of an earlier run that a new one begins with: fine-tuning, and going on with other data.

#include <filesystem>

#include "train/tasks/loaded_model.h"

namespace cosformer {

/// Reads what `train.init_from` names: a run's best checkpoint, a checkpoint or a file of weights. Weights that hold no
/// config are taken for those of a model of `config`. Throws InputError that begins with train.init_from.
ModelFile read_initial_weights(const std::filesystem::path& path, const Config& config, const Warn& warn);

/// The config of a new run that begins with the weights of a run with the config `source`: if it names no tokenizer
/// folder, the tokenizer is that of `source` (its kind; where the files are is for the caller to say), and if it leaves
/// model.max_length or attention.reweighting_length to the task, they are those of `source`.
Config adopt_settings(Config config, const Config& source);

/// The same of what attentions draw, which the weights of `source` were trained for: attention.seed, if the config leaves it
/// to train.seed and an attention reads it, is the seed that `source` draws by.
Config adopt_draws(Config config, const Config& source);

/// Throws InputError, one line that begins with `source` and names the key, if a model of `config` computes something else
/// from its parameters than one of `theirs` does. With train.new_attention the attentions may differ. Both models are
/// complete.
void check_same_model(const Config& theirs, const Config& config, const std::string& source);

/// Copies the parameters that have the same name and shape in `model`. The heads of pre-training and classification
/// (lm_head, classification_head) are taken whole or not at all: one that does not fit stays as it is made. Throws
/// InputError, one line, as `check_same_model` does, or if another parameter is missing, of another shape or not finite.
/// With train.new_attention what only one side's attentions have is left out or stays as it is made. Adapters of the same
/// [lora] are taken; others are merged into the weights, and new ones begin as they are made. A head that begins anew must
/// be trained. Returns what a user should know, one line each.
std::vector<std::string> load_initial_weights(const ModelFile& file, const Config& config, const Model& model);

}  // namespace cosformer
