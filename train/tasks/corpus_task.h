#pragma once
/// \file
/// What tasks have in common whose splits are texts.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/corpus/epoch_text.h"
#include "data/tokenizers/tokenizer.h"
#include "train/tasks/corpora.h"
#include "train/tasks/task.h"

namespace cosformer {

/// A task that holds a text for each split, read by one tokenizer, and cuts each into sequences of task.seq_len.
class CorpusTask : public Task {
 public:
  explicit CorpusTask(const Config& config) : Task(config) {}

  TextLengths lengths() const override { return {.seq_len = config().task.seq_len}; }
  DataPosition position_of(std::int64_t sequence) const override;
  bool has_split(Split split) const override { return corpora_[split].has_value(); }
  std::vector<std::string> remarks() const override { return remarks_of(corpora_); }
  std::vector<DataFile> data_files() const override { return data_files_of(config().task, corpora_); }
  TokenizerFiles tokenizer_files() const override { return tokenizer_->files(); }

 protected:
  /// Reads the texts; before that there are none. Throws InputError as `load_corpora` does.
  void read_texts(std::shared_ptr<const Tokenizer> tokenizer);
  /// Training sequences of each epoch. Throws InputError if the config names no training text.
  virtual std::int64_t sequences_in_epoch() const = 0;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// Throws InputError if the config names no such split.
  const TextCorpus& corpus(Split split) const { return require_split(corpora_, split, "text"); }
  /// What the epochs of training read. Throws InputError if the config names no training text.
  const EpochText& epoch_text() const;

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  Corpora corpora_;
  std::optional<EpochText> epoch_text_;
};

}  // namespace cosformer
