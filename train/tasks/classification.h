#pragma once
/// \file
/// Classification of labelled sequences: the tasks of Long-Range Arena (Tay et al., ICLR 2021), and of texts.

#include <array>
#include <memory>

#include "data/labelled_sequences.h"
#include "data/tokenizers/tokenizer.h"
#include "train/tasks/task.h"

namespace cosformer {

/// One part of the data for each split; null if there is none.
using LabelledSplits = SplitSet<std::shared_ptr<const LabelledSequences>>;

/// What belongs to some data sets alone.
struct ClassificationExtras {
  std::shared_ptr<const Tokenizer> tokenizer;  ///< made the tokens; null if a format has fixed ids
  std::int32_t positive_class = -1;            ///< whose F1 is reported; negative: none
};

/// Tells the class of a sequence, or of a pair that one encoder reads (two towers with shared weights); `task.name` is the
/// format of the data. Rows of a batch are ordered by length and each shard is padded to its own longest text, so time
/// follows the real lengths. Padding is masked: unless `reweighting_length` or `pooling_divisor` ask for the padded length
/// and `pad_to` is "longest", what an example gives does not depend on its neighbours. Evaluation: loss (nats per example),
/// accuracy with its 95 % confidence interval, counts by class; the best checkpoint is that of the highest validation
/// accuracy. Throws InputError for unusable data or a model that cannot serve it.
std::unique_ptr<Task> make_classification(const Config& config);
/// The same with data that is there already.
std::unique_ptr<Task> make_classification(const Config& config, LabelledSplits splits, ClassificationExtras extras = {});

}  // namespace cosformer
