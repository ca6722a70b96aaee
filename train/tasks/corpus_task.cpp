#include "train/tasks/corpus_task.h"

#include <utility>

namespace cosformer {

void CorpusTask::read_texts(std::shared_ptr<const Tokenizer> tokenizer) {
  tokenizer_ = std::move(tokenizer);
  corpora_ = load_corpora(config().task, *tokenizer_);
  epoch_text_ = training_text(config(), corpora_);
}

DataPosition CorpusTask::position_of(std::int64_t sequence) const {
  const std::int64_t in_epoch = sequences_in_epoch();
  return {sequence / in_epoch, sequence % in_epoch};
}

const EpochText& CorpusTask::epoch_text() const {
  corpus(Split::train);
  return *epoch_text_;
}

}  // namespace cosformer
