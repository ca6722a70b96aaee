#pragma once
/// \file
/// Learning-rate schedules.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/option_problem.h"

namespace cosformer {

struct ScheduleConfig {
  std::string name = "cosine";  ///< a row of `schedule_kinds`
  std::int64_t warmup_steps = 100;
  double warmup_start_ratio = 0.0;  ///< learning rate of step 0 over the full one
  std::int64_t decay_steps = 0;     ///< step at which linear and cosine reach min_ratio; 0 = train.max_steps
  double min_ratio = 0.1;           ///< least learning rate over the full one
  std::int64_t period_steps = 0;    ///< of cosine_cycles: length of the first cycle
  double period_factor = 1.0;       ///< of cosine_cycles: how much longer each cycle is than the one before
  double peak_factor = 1.0;         ///< of cosine_cycles: each cycle's learning rates over those of the one before
  std::int64_t cooldown_steps = 0;  ///< of wsd: last steps, in which it falls; 0 = a tenth of those after the warm-up
};

/// A registered course of the learning rate behind the warm-up.
struct ScheduleKind {
  std::string_view name;
  bool has_cycles;  ///< reads `period_steps`, `period_factor` and `peak_factor`
  /// The learning rate over the highest.
  double (*ratio)(const struct ScheduleMoment& moment);
};
std::span<const ScheduleKind> schedule_kinds();

/// The learning rate of a step (from 1). It rises linearly from warmup_start_ratio · peak to `peak` over `warmup_steps`,
/// then
///   constant      stays;
///   linear        falls to min_ratio · peak at the last step (`decay_steps`, or `max_steps` if that is 0);
///   cosine        falls there along half a cosine (Loshchilov and Hutter, 2017);
///   wsd           stays, and falls linearly to min_ratio · peak over the last cooldown_steps (warm-up, stable, decay: Hu et
///                 al., MiniCPM, 2024);
///   inverse_sqrt  falls as sqrt(warmup_steps / step) (Vaswani et al., 2017), never below min_ratio · peak;
///   cosine_cycles falls to min_ratio · peak along half a cosine again and again: cycle i is period_steps · period_factor^i
///                 long, and its learning rates are peak_factor^i times those of the first (Loshchilov and Hutter, 2017,
///                 with fairseq's lr-shrink).
/// Throws InputError for an unknown name, with the nearest one.
double scheduled_learning_rate(const ScheduleConfig& schedule, double peak, std::int64_t step, std::int64_t max_steps);

/// What does not fit together in a schedule. Throws InputError for an unknown name.
std::optional<OptionProblem> find_schedule_problem(const ScheduleConfig& schedule);

}  // namespace cosformer
