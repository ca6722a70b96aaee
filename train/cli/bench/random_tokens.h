#pragma once
/// \file
/// A task without data: random tokens in the shapes of a config.

#include <memory>

#include "train/tasks/task.h"

namespace cosformer {

/// Random ids: next-token prediction for a decoder, classes or (model.lm_head) masked tokens for an encoder, and next tokens
/// given random source sequences for an encoder-decoder. A batch is a function of train.seed and its place in the order.
/// There is nothing to evaluate. Throws InputError for a model that none of these trains.
std::unique_ptr<Task> make_random_tokens(const Config& config);

}  // namespace cosformer
