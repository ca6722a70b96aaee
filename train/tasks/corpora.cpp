#include "train/tasks/corpora.h"

#include "core/error.h"
#include "data/corpus/text_files.h"
#include "train/tasks/token_cache.h"

namespace cosformer {

CorpusFiles corpus_files(const TaskConfig& task, Split split) {
  try {
    return {find_text_files(data_path(task, split)), task.text_key};
  } catch (const InputError& error) {
    throw InputError(concat("task.", split_name(split), ": ", error.what()));
  }
}

Corpora load_corpora(const TaskConfig& task, const Tokenizer& tokenizer) {
  Corpora corpora;
  for (const Split split : kAllSplits) {
    if (data_path(task, split).empty()) continue;
    const CorpusFiles files = corpus_files(task, split);
    corpora[split] = task.token_cache.empty() ? load_text_corpus(files, tokenizer)
                                              : TokenCache(files, tokenizer, task.token_cache).load();
  }
  return corpora;
}

std::optional<EpochText> training_text(const Config& config, const Corpora& corpora) {
  const auto& corpus = corpora[Split::train];
  if (!corpus) return std::nullopt;
  if (config.task.shuffle == Shuffle::window) return EpochText(corpus->tokens, corpus->starts);
  return EpochText(corpus->tokens, corpus->starts, static_cast<std::uint64_t>(config.train.seed));
}

std::vector<std::string> remarks_of(const Corpora& corpora) {
  std::vector<std::string> remarks;
  for (const auto& corpus : corpora) {
    if (corpus && !corpus->remark.empty()) remarks.push_back(corpus->remark);
  }
  return remarks;
}

std::vector<DataFile> data_files_of(const TaskConfig& task, const Corpora& corpora) {
  std::vector<DataFile> files;
  for (const Split split : kAllSplits) {
    if (const auto& corpus = corpora[split]) {
      files.push_back({split_name(split), data_path(task, split), corpus->content});
    }
  }
  return files;
}

}  // namespace cosformer
