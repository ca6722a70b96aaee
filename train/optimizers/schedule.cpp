#include "train/optimizers/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/named_table.h"

namespace cosformer {

/// What a schedule sees after the warm-up.
struct ScheduleMoment {
  double progress;   ///< share of the remaining steps that is done, in [0, 1]
  double remaining;  ///< steps after the warm-up
  double step;
  double warmup_steps;
  const ScheduleConfig& config;
};

namespace {

using Moment = ScheduleMoment;

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

constexpr ScheduleKind kSchedules[] = {
    {"constant", false, [](const Moment&) { return 1.0; }},
    {"linear", false, [](const Moment& at) { return 1.0 - (1.0 - at.config.min_ratio) * at.progress; }},
    {"cosine", false, [](const Moment& at) { return half_cosine(at.progress, at.config.min_ratio); }},
    {"wsd", false,
     [](const Moment& at) {
       const auto given = static_cast<double>(at.config.cooldown_steps);
       const double cooldown = std::min(given > 0 ? given : 0.1 * at.remaining, at.remaining);
       const double left = at.remaining * (1.0 - at.progress);
       return at.config.min_ratio + (1.0 - at.config.min_ratio) * std::min(1.0, left / cooldown);
     }},
    {"inverse_sqrt", false,
     [](const Moment& at) { return std::max(at.config.min_ratio, std::sqrt(std::max(at.warmup_steps, 1.0) / at.step)); }},
    {"cosine_cycles", true,
     [](const Moment& at) {
       const auto period = static_cast<double>(std::max<std::int64_t>(at.config.period_steps, 1));
       const Cycle cycle = cycle_of(at.step - at.warmup_steps, period, at.config.period_factor);
       return std::pow(at.config.peak_factor, cycle.number) * half_cosine(cycle.progress, at.config.min_ratio);
     }},
};

const ScheduleKind& kind_of(const ScheduleConfig& schedule) {
  return find_named(kSchedules, schedule.name, "schedule.name");
}

}  // namespace

std::span<const ScheduleKind> schedule_kinds() { return kSchedules; }

double scheduled_learning_rate(const ScheduleConfig& schedule, double peak, std::int64_t step, std::int64_t max_steps) {
  const ScheduleKind& kind = kind_of(schedule);
  const auto warmup = static_cast<double>(schedule.warmup_steps);
  if (step < schedule.warmup_steps) {
    const double done = static_cast<double>(step) / warmup;
    return peak * (schedule.warmup_start_ratio + (1.0 - schedule.warmup_start_ratio) * done);
  }
  const std::int64_t end = schedule.decay_steps > 0 ? schedule.decay_steps : max_steps;
  const auto remaining = static_cast<double>(std::max<std::int64_t>(end - schedule.warmup_steps, 1));
  const double progress = std::clamp((static_cast<double>(step) - warmup) / remaining, 0.0, 1.0);
  return peak * kind.ratio({progress, remaining, static_cast<double>(step), warmup, schedule});
}

std::optional<OptionProblem> find_schedule_problem(const ScheduleConfig& schedule) {
  if (schedule.decay_steps != 0 && schedule.decay_steps < schedule.warmup_steps)
    return OptionProblem{"schedule.decay_steps",
                         concat("schedule.decay_steps (", schedule.decay_steps, ") must be at least schedule.warmup_steps (",
                                schedule.warmup_steps, ")")};
  if (kind_of(schedule).has_cycles && schedule.period_steps == 0)
    return OptionProblem{"schedule.period_steps",
                         concat("schedule.period_steps must be at least 1 with schedule.name = \"", schedule.name, '"')};
  return std::nullopt;
}

}  // namespace cosformer
