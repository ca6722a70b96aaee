#pragma once
/// \file
/// Points side by side.

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "train/experiments/sweep/point_job.h"

namespace cosformer {

/// Told of the points that are at work.
using PointsAtWork = std::function<void(std::span<const std::unique_ptr<PointJob>>)>;

/// Runs the points with these numbers, at most `jobs` at a time, each with `threads` threads; a failed one never stops the
/// others. A signal that asks to end is passed on to what runs (trainings save a checkpoint); nothing new starts, and when
/// all has ended the signal is returned, otherwise 0. A second SIGINT ends this process at once, and with it the children.
/// `stage_ended` is called as PointJob says, and for stage 0 of a point whose lock another process has.
/// `show` is called with what runs, several times per second.
int run_points(FileSystem& files, const SweepPlan& plan, const std::vector<std::size_t>& points, int jobs, int threads,
               const PointJob::StageEnd& stage_ended, const PointsAtWork& show);

}  // namespace cosformer
