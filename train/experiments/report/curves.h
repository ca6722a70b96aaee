#pragma once
/// \file
/// The courses of runs as charts.

#include <vector>

#include "train/experiments/experiment.h"
#include "train/experiments/report/line_chart.h"

namespace cosformer {

/// Of a stage: the loss by step and by seconds of training, and if another metric is judged, that by step. Training loss
/// smoothed, thin and pale; validation in full; one series per group, one line per run. Charts without a line are left out.
std::vector<LineChart> course_charts(const Experiment& experiment, std::size_t stage);

}  // namespace cosformer
