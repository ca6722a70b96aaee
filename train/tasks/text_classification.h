#pragma once
/// \file
/// Classification of texts and pairs of texts: what pre-trained encoders are fine-tuned on.

#include <memory>

#include "train/tasks/task.h"

namespace cosformer {

/// A Classification of the texts that `task.name` is the format of (labelled_text_formats), as sequences of one encoder:
/// `<s> a </s>` or `<s> a </s> </s> b </s>`, at most seq_len long. The tokenizer is that of `task.tokenizer_folder`, or is
/// made from the training texts. Of a format with a positive class the evaluation has its `f1` too. Throws InputError.
std::unique_ptr<Task> make_text_classification(const Config& config);

}  // namespace cosformer
