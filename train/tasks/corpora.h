#pragma once
/// \file
/// The texts of a task that reads one file a split.

#include <array>
#include <optional>
#include <vector>

#include "data/text_corpus.h"
#include "train/tasks/task.h"

namespace cosformer {

/// By `Split`; nothing where the config names no text.
using Corpora = std::array<std::optional<TextCorpus>, 3>;

/// Reads every text that the config names. Throws InputError.
Corpora load_corpora(const TaskConfig& task, const Tokenizer& tokenizer);

/// What `load_corpora` has read.
std::vector<DataFile> data_files_of(const TaskConfig& task, const Corpora& corpora);

}  // namespace cosformer
