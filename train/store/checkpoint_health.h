#pragma once
/// \file
/// Whether the numbers of a checkpoint are sound, and which checkpoint to go back to when training has broken down.

#include <filesystem>
#include <string>

#include "train/store/checkpoint.h"

namespace cosformer {

/// Throws Error, which names the tensor and ends with `advice`, if a parameter or a moment of the optimizer is infinite or
/// NaN.
void check_finite(const Checkpoint& checkpoint, const std::string& advice);

/// Which checkpoint in the folder `checkpoints` is the newest whose weights gave a finite loss in the step after it, as the
/// end of a message. `state` is that of a run whose last `nonfinite_streak` steps were skipped.
std::string describe_last_healthy(const std::filesystem::path& checkpoints, const RunState& state);

}  // namespace cosformer
