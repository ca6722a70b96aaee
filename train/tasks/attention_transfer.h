#pragma once
/// \file
/// A decoder's attentions trained to give what those of another decoder give.

#include <memory>

#include "data/tokenizers/tokenizer.h"
#include "train/tasks/task.h"

namespace cosformer {

/// The first stage of making softmax attention linear. The teacher is the model of task.teacher or, if that is empty, of
/// train.init_from, with the attention that its checkpoint names. The loss is the mean, over tokens, channels and layers, of
/// the squared difference between what the attentions of both give to their output projections, each layer of the student
/// seeing the teacher's hidden states (layers/attention_transfer.h). Texts are those of language modelling. An evaluation
/// has the error of each layer, "layer_0" …, and the loss of the next token of the model as it is and of the teacher.
/// Source: Zhang et al., LoLCATs, ICLR 2025, section 3.1.
std::unique_ptr<Task> make_attention_transfer(const Config& config);

}  // namespace cosformer
