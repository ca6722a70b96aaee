#pragma once
/// \file
/// The trained model that a command line names.

#include <memory>

#include "data/tokenizers/tokenizer.h"
#include "train/cli/options.h"
#include "train/tasks/loaded_model.h"

namespace cosformer {

/// What RUN|CHECKPOINT, --config and --set name. Sets the number of threads that it asks for. Throws InputError.
ModelFile given_model_file(const cxxopts::ParseResult& given, const Warn& warn);

/// The tokenizer of a model that is to read or write texts of its own, not those of its task, whose paths are cleared.
/// Warns if it is not the one of the training. Throws InputError.
std::shared_ptr<const Tokenizer> tokenizer_of(ModelFile& file, const Warn& warn);

}  // namespace cosformer
