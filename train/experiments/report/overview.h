#pragma once
/// \file
/// What ran, and on what.

#include <string>

#include "train/experiments/report/tables.h"

namespace cosformer {

/// Version, processor and threads of each run's sessions, runs of one environment together. Empty if none is recorded.
ReportTable environment_table(const Experiment& experiment);

/// "9 runs, 9 finished · 3 groups · seeds 1 to 3".
std::string describe(const Experiment& experiment);

}  // namespace cosformer
