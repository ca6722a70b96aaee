#pragma once
/// \file
/// Learning-rate schedules.

#include <cstdint>

#include "train/config/config.h"

namespace cosformer {

/// The learning rate of a step (from 1). It rises linearly from warmup_start_ratio · peak to `peak` over `warmup_steps`,
/// then
///   constant      stays;
///   linear        falls to min_ratio · peak at the last step (`decay_steps`, or `max_steps` where that is 0);
///   cosine        falls there along half a cosine (Loshchilov and Hutter, 2017);
///   inverse_sqrt  falls as sqrt(warmup_steps / step) (Vaswani et al., 2017), never below min_ratio · peak;
///   cosine_cycles falls to min_ratio · peak along half a cosine again and again: cycle i is period_steps · period_factor^i
///                 long, and its learning rates are peak_factor^i times those of the first (Loshchilov and Hutter, 2017,
///                 with fairseq's lr-shrink).
/// Throws InputError for an unknown name, with the nearest one.
double scheduled_learning_rate(const ScheduleConfig& schedule, double peak, std::int64_t step, std::int64_t max_steps);

}  // namespace cosformer
