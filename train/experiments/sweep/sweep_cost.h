#pragma once
/// \file
/// What a sweep will cost, from its plan.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/experiments/sweep/sweep_plan.h"

namespace cosformer {

/// A row per run with parameters, steps, arithmetic of training, memory of a step and the time of that arithmetic at `peak`
/// floating-point operations a second; then the sums over what is not finished yet. Every sequence counts as long as it may
/// be. Evaluations are not counted, and training reaches a part of the peak only.
std::string format_cost(const SweepPlan& plan, double peak, int jobs);
nlohmann::ordered_json cost_to_json(const SweepPlan& plan, double peak, int jobs);

}  // namespace cosformer
