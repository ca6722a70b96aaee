#pragma once
/// \file
/// Autoregressive language modelling on a text file.

#include <memory>

#include "data/tokenizers/tokenizer.h"
#include "train/tasks/task.h"

namespace cosformer {

/// Predicts each token of a text from those before it. Evaluation is over windows of seq_len targets that follow one another
/// without overlap; `loss` is the mean over predicted tokens in nats.
std::unique_ptr<Task> make_language_modeling(const Config& config);
/// The same with a tokenizer that is there already. Texts that the config does not name are not missed until they are used.
std::unique_ptr<Task> make_language_modeling(const Config& config, std::shared_ptr<const Tokenizer> tokenizer);

}  // namespace cosformer
