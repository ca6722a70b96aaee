#include "train/tasks/corpora.h"

namespace cosformer {

Corpora load_corpora(const TaskConfig& task, const Tokenizer& tokenizer) {
  Corpora corpora;
  for (const Split split : kAllSplits) {
    const std::string& path = data_path(task, split);
    if (!path.empty()) corpora[split] = load_text_corpus(path, tokenizer);
  }
  return corpora;
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
