#pragma once
/// \file
/// The texts of a task that reads one file per split.

#include <optional>
#include <vector>

#include "data/text_corpus.h"
#include "train/tasks/task.h"

namespace cosformer {

/// Nothing for a split for which the config names no text.
using Corpora = SplitSet<std::optional<TextCorpus>>;

/// Reads every text that the config names. Throws InputError.
Corpora load_corpora(const TaskConfig& task, const Tokenizer& tokenizer);

/// What a user should know of the texts, a line per text.
std::vector<std::string> remarks_of(const Corpora& corpora);

/// What `load_corpora` has read.
std::vector<DataFile> data_files_of(const TaskConfig& task, const Corpora& corpora);

}  // namespace cosformer
