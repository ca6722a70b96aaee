#pragma once
/// \file
/// What an evaluation finds, and how its parts add up.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "data/split.h"
#include "train/tasks/accuracy.h"

namespace cosformer {

/// What an evaluation found, in the order to report it.
struct Evaluation {
  Split split = Split::valid;
  std::vector<std::pair<std::string, double>> values;
  std::vector<ClassCount> classes;  ///< of a classification, by label

  /// The value of a name. Throws Error if there is none.
  double value(const std::string& name) const;
};

/// Asked before each batch of an evaluation how many are done of how many; true ends it.
using EvaluationStop = std::function<bool(std::int64_t done, std::int64_t batches)>;

/// Figures that add up over the sequences of a split; what stands where is a matter of the task. Counts are exact up to
/// 2^53.
using EvaluationSums = std::vector<double>;

/// Adds `part` to `sums` figure by figure; empty sums become `part`.
void add_sums(EvaluationSums& sums, const EvaluationSums& part);

/// The values that all evaluations of a mean loss begin with: "loss" and "perplexity", of `loss` nats over `targets` ≥ 0.
std::vector<std::pair<std::string, double>> loss_values(double loss, double targets);

}  // namespace cosformer
