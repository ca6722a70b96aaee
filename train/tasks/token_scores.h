#pragma once
/// \file
/// The evaluation of tasks that score each token by itself: loss and accuracy.

#include <vector>

#include "core/kernels/cross_entropy.h"
#include "core/tensor.h"
#include "train/tasks/evaluation.h"

namespace cosformer {

/// Loss and hits of hidden states [R, embed_dim] against `targets` int32 [R], -1 = not counted, with the output weight
/// [vocab_size, embed_dim] and bias [vocab_size], which may be undefined.
CrossEntropySum score_tokens(const Tensor& hidden, const Tensor& weight, const Tensor& bias, const Tensor& targets);

/// [loss, targets, correct]
EvaluationSums sums_of_tokens(const CrossEntropySum& scores);

/// "loss", "perplexity", "accuracy", "correct" and "tokens", from such sums.
Evaluation summarize_tokens(Split split, const EvaluationSums& sums);

}  // namespace cosformer
