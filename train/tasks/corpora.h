#pragma once
/// \file
/// The texts of a task that reads files of text for each split.

#include <optional>
#include <vector>

#include "data/corpus/epoch_text.h"
#include "data/text_corpus.h"
#include "train/tasks/task.h"

namespace cosformer {

/// Nothing for a split for which the config names no text.
using Corpora = SplitSet<std::optional<TextCorpus>>;

/// The files that the config names for a split: it names some. Throws InputError that begins with its key.
CorpusFiles corpus_files(const TaskConfig& task, Split split);

/// Reads every text that the config names, or finds it in its token cache, which it makes if it is missing. Throws
/// InputError.
Corpora load_corpora(const TaskConfig& task, const Tokenizer& tokenizer);

/// What the epochs of training read; nothing if the config names no text for it.
std::optional<EpochText> training_text(const Config& config, const Corpora& corpora);

/// What a user should know of the texts, a line per text.
std::vector<std::string> remarks_of(const Corpora& corpora);

/// What `load_corpora` has read.
std::vector<DataFile> data_files_of(const TaskConfig& task, const Corpora& corpora);

}  // namespace cosformer
