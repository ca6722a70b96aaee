#pragma once
/// \file
/// Whether this machine can hold what a run needs.

#include "train/cli/machine.h"
#include "train/loop/plan.h"

namespace cosformer {

/// Throws InputError, one line with the sizes, if a training step needs more memory than the machine has or the control
/// groups allow. What other programs use does not count: they may end.
void check_memory(const RunPlan& plan, const Machine& machine);

}  // namespace cosformer
