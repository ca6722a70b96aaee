#include "train/tasks/token_scores.h"

#include <algorithm>

namespace cosformer {

CrossEntropySum score_tokens(const Tensor& hidden, const Tensor& weight, const Tensor& bias, const Tensor& targets) {
  const Tensor rows = hidden.contiguous(), columns = weight.contiguous();
  return dispatch_float(rows.dtype(), [&]<class T>(T) {
    const LinearCrossEntropy<T> input{rows.dim(0),
                                      rows.dim(1),
                                      columns.dim(0),
                                      rows.data<T>(),
                                      columns.data<T>(),
                                      bias.defined() ? bias.data<T>() : nullptr,
                                      targets.data<std::int32_t>()};
    return linear_cross_entropy<T>(input, nullptr, nullptr);
  });
}

EvaluationSums sums_of_tokens(const CrossEntropySum& scores) {
  return {scores.loss, static_cast<double>(scores.counted), static_cast<double>(scores.correct)};
}

Evaluation summarize_tokens(Split split, const EvaluationSums& sums) {
  const double targets = sums[1], correct = sums[2];
  Evaluation result{split, loss_values(sums[0], targets), {}};
  result.values.insert(result.values.end(),
                       {{"accuracy", correct / std::max(targets, 1.0)}, {"correct", correct}, {"tokens", targets}});
  return result;
}

}  // namespace cosformer
