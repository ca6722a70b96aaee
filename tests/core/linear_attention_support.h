#pragma once
/// \file
/// Names and angle steps for tests of linear attention.

#include <cstdint>
#include <numbers>
#include <vector>

#include "core/kernels/linear_attention/linear_attention.h"
#include "tests/support/attention_reference.h"

namespace cosformer::test {

inline const char* name_of(ScalarFunction map) { return scalar_functions()[static_cast<std::size_t>(map)].name; }

inline const char* name_of(LinearAttentionForm form) {
  switch (form) {
    case LinearAttentionForm::automatic:
      return "automatic";
    case LinearAttentionForm::quadratic:
      return "quadratic";
    case LinearAttentionForm::linear:
      return "linear";
    case LinearAttentionForm::chunked:
      return "chunked";
    case LinearAttentionForm::recurrent:
      return "recurrent";
  }
  return "";
}

/// The angle step of each item: those of lengths `length`, `length` + 1, ...
inline std::vector<double> steps(std::int64_t batch, double length) {
  std::vector<double> all;
  for (std::int64_t b = 0; b < batch; ++b) all.push_back(std::numbers::pi / (2 * (length + static_cast<double>(b))));
  return all;
}

/// Steps of a re-weighting that takes them by item or by head: those of cos for lengths `length`, `length` + 1, ..., and
/// different rates of decay.
inline ReweightingSteps steps_of(Reweighting reweighting, std::int64_t batch, std::int64_t heads, double length) {
  const ReweightingKind& kind = reweighting_kind(reweighting);
  if (kind.value == Reweighting::none) return {};
  if (!kind.of_heads) return {steps(batch, length), steps(batch, length)};
  std::vector<double> rates;
  for (std::int64_t h = 0; h < heads; ++h) rates.push_back(0.05 + 0.4 * static_cast<double>(h));
  return {rates, rates};
}

/// The oracle's re-weighting with these steps.
inline ReferenceReweighting reference_reweighting(Reweighting reweighting, const ReweightingSteps& steps) {
  if (reweighting == Reweighting::none) return {};
  if (reweighting == Reweighting::decay) return {{}, {}, steps.query};
  return {steps.query, steps.key};
}

}  // namespace cosformer::test
