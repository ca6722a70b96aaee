#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/named_table.h"

namespace cosformer {

namespace {

/// What a schedule sees after the warm-up: the share of the remaining steps that is done, in [0, 1], and the step itself.
struct Moment {
  double progress;
  double step;
  double warmup_steps;
  double min_ratio;
};

struct ScheduleKind {
  const char* name;
  double (*ratio)(const Moment&);
};

constexpr ScheduleKind kSchedules[] = {
    {"constant", [](const Moment&) { return 1.0; }},
    {"linear", [](const Moment& at) { return 1.0 - (1.0 - at.min_ratio) * at.progress; }},
    {"cosine",
     [](const Moment& at) {
       return at.min_ratio + (1.0 - at.min_ratio) * 0.5 * (1.0 + std::cos(std::numbers::pi * at.progress));
     }},
    {"inverse_sqrt", [](const Moment& at) { return std::max(at.min_ratio, std::sqrt(std::max(at.warmup_steps, 1.0) / at.step)); }},
};

}  // namespace

double scheduled_learning_rate(const ScheduleConfig& schedule, double peak, std::int64_t step, std::int64_t max_steps) {
  const ScheduleKind& kind = find_named(kSchedules, schedule.name, "schedule.name");
  const auto warmup = static_cast<double>(schedule.warmup_steps);
  if (step < schedule.warmup_steps) {
    const double done = static_cast<double>(step) / warmup;
    return peak * (schedule.warmup_start_ratio + (1.0 - schedule.warmup_start_ratio) * done);
  }
  const std::int64_t end = schedule.decay_steps > 0 ? schedule.decay_steps : max_steps;
  const auto remaining = static_cast<double>(std::max<std::int64_t>(end - schedule.warmup_steps, 1));
  const double progress = std::clamp((static_cast<double>(step) - warmup) / remaining, 0.0, 1.0);
  return peak * kind.ratio({progress, static_cast<double>(step), warmup, schedule.min_ratio});
}

}  // namespace cosformer
