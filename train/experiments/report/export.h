#pragma once
/// \file
/// The report for other programs: Markdown, CSV and JSON.

#include <string>
#include <vector>

#include "train/experiments/experiment.h"

namespace cosformer {

/// The tables as Markdown (GitHub's dialect).
std::string write_markdown(const std::vector<Experiment>& experiments);

/// A line a value (RFC 4180): experiment, group, seed, stage, run, status, split, name, value. A run without values has one
/// line with the last three empty.
std::string write_csv(const std::vector<Experiment>& experiments);

/// Runs with all their values, summaries by group, paired differences and config differences, as one JSON document.
std::string write_json(const std::vector<Experiment>& experiments);

}  // namespace cosformer
