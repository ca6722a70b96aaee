#pragma once
/// \file
/// What a sweep has found, for a terminal and for programs.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/experiments/experiment.h"

namespace cosformer {

/// The question, a row per group with mean ± sample standard deviation and n of each stage's metric and the published figure
/// beside it, then the failed runs with their line.
std::string format_sweep(const Experiment& experiment);

/// The same as one object: question, groups with their stages, failed runs, how many are finished.
nlohmann::ordered_json sweep_to_json(const Experiment& experiment);

}  // namespace cosformer
