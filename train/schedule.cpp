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
  const ScheduleConfig& config;
};

/// Where a moment stands among cosine_cycles.
struct Cycle {
  double number;  ///< from 0
  double progress;
};

Cycle cycle_of(double step, double period, double factor) {
  if (factor == 1) return {std::floor(step / period), step / period - std::floor(step / period)};
  const auto begin = [&](double number) { return period * (std::pow(factor, number) - 1) / (factor - 1); };
  double number = std::floor(std::log1p(step / period * (factor - 1)) / std::log(factor));
  // Rounding must not leave a step in the cycle that ends there.
  const double reached = step + 1e-6;
  if (reached < begin(number)) number -= 1;
  if (reached >= begin(number + 1)) number += 1;
  return {number, std::max(0.0, (step - begin(number)) / (begin(number + 1) - begin(number)))};
}

double half_cosine(double progress, double least) {
  return least + (1.0 - least) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

struct ScheduleKind {
  const char* name;
  double (*ratio)(const Moment&);
};

constexpr ScheduleKind kSchedules[] = {
    {"constant", [](const Moment&) { return 1.0; }},
    {"linear", [](const Moment& at) { return 1.0 - (1.0 - at.config.min_ratio) * at.progress; }},
    {"cosine", [](const Moment& at) { return half_cosine(at.progress, at.config.min_ratio); }},
    {"inverse_sqrt",
     [](const Moment& at) { return std::max(at.config.min_ratio, std::sqrt(std::max(at.warmup_steps, 1.0) / at.step)); }},
    {"cosine_cycles",
     [](const Moment& at) {
       const auto period = static_cast<double>(std::max<std::int64_t>(at.config.period_steps, 1));
       const Cycle cycle = cycle_of(at.step - at.warmup_steps, period, at.config.period_factor);
       return std::pow(at.config.peak_factor, cycle.number) * half_cosine(cycle.progress, at.config.min_ratio);
     }},
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
  return peak * kind.ratio({progress, static_cast<double>(step), warmup, schedule});
}

}  // namespace cosformer
