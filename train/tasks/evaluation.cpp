#include "train/tasks/evaluation.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cosformer {

double Evaluation::value(const std::string& name) const {
  const auto found = std::ranges::find(values, name, &std::pair<std::string, double>::first);
  check<Error>(found != values.end(), "the evaluation has no value '", name, "'");
  return found->second;
}

void add_sums(EvaluationSums& sums, const EvaluationSums& part) {
  if (sums.empty()) sums.resize(part.size());
  check<Error>(sums.size() == part.size(), "[add_sums] ", part.size(), " figures for ", sums.size());
  std::ranges::transform(sums, part, sums.begin(), std::plus());
}

std::vector<std::pair<std::string, double>> loss_values(double loss, double targets) {
  const double mean = loss / std::max(targets, 1.0);
  return {{"loss", mean}, {"perplexity", std::exp(mean)}};
}

}  // namespace cosformer
