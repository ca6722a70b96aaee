#include "train/optimizers/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/catch.h"
#include "tests/support/input_error.h"

namespace cosformer::test {

namespace {

struct Row {
  ScheduleConfig schedule;
  std::int64_t step;
  double expected;  ///< for a peak of 2 and 100 steps
};

ScheduleConfig schedule(const char* name, std::int64_t warmup_steps, double start_ratio, std::int64_t decay_steps,
                        double min_ratio) {
  return {name, warmup_steps, start_ratio, decay_steps, min_ratio};
}

/// The learning rate of the second cycle's first step is 0.75 of the first's; it is twice as long.
ScheduleConfig cycles() {
  ScheduleConfig config = schedule("cosine_cycles", 20, 0.01, 0, 0.1);
  config.period_steps = 100;
  config.period_factor = 2;
  config.peak_factor = 0.75;
  return config;
}

}  // namespace

TEST_CASE("cycles of a cosine begin anew, longer and lower each time, whatever max_steps is") {
  const ScheduleConfig growing = cycles();
  const auto rate = [](const ScheduleConfig& config, std::int64_t step) {
    return scheduled_learning_rate(config, 2.0, step, 50);
  };
  CHECK(rate(growing, 10) == Approx(2 * (0.01 + 0.99 * 0.5)));
  CHECK(rate(growing, 20) == Approx(2.0));
  CHECK(rate(growing, 70) == Approx(2 * 0.55));
  CHECK(rate(growing, 119) == Approx(2 * (0.1 + 0.45 * (1 + std::cos(std::numbers::pi * 0.99)))));
  CHECK(rate(growing, 120) == Approx(2 * 0.75));
  CHECK(rate(growing, 220) == Approx(2 * 0.75 * 0.55));
  CHECK(rate(growing, 320) == Approx(2 * 0.75 * 0.75));
  CHECK(rate(growing, 720) == Approx(2 * 0.75 * 0.75 * 0.75));
  ScheduleConfig equal = cycles();
  equal.period_factor = 1;
  CHECK(rate(equal, 119) == Approx(2 * (0.1 + 0.45 * (1 + std::cos(std::numbers::pi * 0.99)))));
  CHECK(rate(equal, 120) == Approx(2 * 0.75));
  CHECK(rate(equal, 370) == Approx(2 * std::pow(0.75, 3) * 0.55));
}

TEST_CASE("wsd stays at its peak, and falls over the last steps alone") {
  ScheduleConfig config = schedule("wsd", 20, 0, 0, 0.1);
  const auto rate = [&](std::int64_t step) { return scheduled_learning_rate(config, 2.0, step, 220); };
  CHECK(rate(10) == Approx(1.0));
  for (const std::int64_t step : {20, 21, 150, 200}) CHECK(rate(step) == Approx(2.0));
  CHECK(rate(210) == Approx(2 * 0.55));
  CHECK(rate(220) == Approx(2 * 0.1));
  CHECK(rate(300) == Approx(2 * 0.1));
  config.cooldown_steps = 100;
  CHECK(rate(120) == Approx(2.0));
  CHECK(rate(170) == Approx(2 * 0.55));
  // No more steps than there are.
  config.cooldown_steps = 1000;
  CHECK(rate(20) == Approx(2.0));
  CHECK(rate(120) == Approx(2 * 0.55));
}

TEST_CASE("a cycle begins at the step where the one before ends, for every length and growth") {
  for (const double factor : {1.0, 1.1, 1.5, 2.0, 3.0, 10.0}) {
    for (const std::int64_t period : {1, 3, 7, 100, 270'000}) {
      ScheduleConfig config = cycles();
      config.warmup_steps = 0;
      config.period_steps = period;
      config.period_factor = factor;
      CAPTURE(factor, period);
      // The first step at or behind each cycle's beginning has that cycle's share of the peak, at most.
      double begin = 0, length = static_cast<double>(period);
      for (int cycle = 0; cycle < 6; ++cycle) {
        const auto step = static_cast<std::int64_t>(std::ceil(begin - 1e-6));
        const double least = 2 * std::pow(0.75, cycle) * 0.1, most = 2 * std::pow(0.75, cycle);
        const double rate = scheduled_learning_rate(config, 2.0, step, 1);
        if (std::abs(static_cast<double>(step) - begin) < 1e-6) CHECK(rate == Approx(most).epsilon(1e-6));
        CHECK(rate <= most * (1 + 1e-12));
        CHECK(rate >= std::min(least, 0.75 * least));
        begin += length;
        length *= factor;
      }
    }
  }
}

TEST_CASE("learning rates at the key steps of every schedule") {
  const ScheduleConfig constant = schedule("constant", 10, 0, 0, 0.1), linear = schedule("linear", 10, 0.2, 0, 0.1);
  const ScheduleConfig cosine = schedule("cosine", 20, 0, 0, 0.5), early = schedule("linear", 10, 0, 60, 0.25);
  const ScheduleConfig root = schedule("inverse_sqrt", 4, 0, 0, 0.3), bare_root = schedule("inverse_sqrt", 0, 0, 0, 0);
  const ScheduleConfig bare = schedule("linear", 0, 0, 0, 0), short_cosine = schedule("cosine", 10, 0, 10, 0.1);
  const Row rows[] = {{constant, 1, 0.2},
                      {constant, 5, 1.0},
                      {constant, 10, 2.0},
                      {constant, 100, 2.0},
                      {constant, 1000, 2.0},
                      // From a fifth of the peak up, then down to a tenth.
                      {linear, 1, 2 * (0.2 + 0.8 * 0.1)},
                      {linear, 9, 2 * (0.2 + 0.8 * 0.9)},
                      {linear, 10, 2.0},
                      {linear, 55, 2 * 0.55},
                      {linear, 100, 0.2},
                      {linear, 101, 0.2},
                      {linear, 5000, 0.2},
                      {cosine, 10, 1.0},
                      {cosine, 20, 2.0},
                      {cosine, 60, 1.5},
                      {cosine, 100, 1.0},
                      {cosine, 200, 1.0},
                      {cosine, 40, 2 * (0.5 + 0.25 * (1 + std::numbers::sqrt2 / 2))},
                      // decay_steps comes before max_steps.
                      {early, 10, 2.0},
                      {early, 35, 2 * 0.625},
                      {early, 60, 0.5},
                      {early, 100, 0.5},
                      {root, 2, 1.0},
                      {root, 4, 2.0},
                      {root, 16, 1.0},
                      {root, 25, 0.8},
                      {root, 100, 0.6},
                      {bare_root, 1, 2.0},
                      {bare_root, 4, 1.0},
                      {bare_root, 100, 0.2},
                      {bare, 1, 2 * 0.99},
                      {bare, 50, 1.0},
                      {bare, 100, 0.0},
                      // Nothing is left to decay over: the step after the warm-up is the last.
                      {short_cosine, 10, 2.0},
                      {short_cosine, 11, 0.2}};
  for (const Row& row : rows) {
    CAPTURE(row.schedule.name, row.step);
    CHECK(std::abs(scheduled_learning_rate(row.schedule, 2.0, row.step, 100) - row.expected) <= 1e-14);
  }
}

TEST_CASE("linear is PyTorch's one-cycle policy with linear annealing, but for a rise that begins one step ahead") {
  const std::int64_t total = 5000, warmup = 1000;
  const double peak = 1e-4, first = peak / 25, last = first / 1e4;
  const ScheduleConfig config = schedule("linear", warmup, 1.0 / 25, 0, 1.0 / 25e4);
  // OneCycleLR(max_lr=peak, total_steps=total, pct_start=warmup / total, anneal_strategy="linear"), update s from 0.
  for (const std::int64_t s : {std::int64_t{0}, std::int64_t{500}, warmup - 1, warmup, std::int64_t{3000}, total - 1}) {
    const auto x = static_cast<double>(s), top = static_cast<double>(warmup - 1), end = static_cast<double>(total - 1);
    const double theirs = x <= top ? first + (peak - first) * x / top : peak + (last - peak) * (x - top) / (end - top);
    const double ours = scheduled_learning_rate(config, peak, s + 1, total);
    CAPTURE(s);
    CHECK(std::abs(ours - theirs) <= (x < top ? peak / static_cast<double>(warmup) : 1e-17));
  }
}

TEST_CASE("inverse_sqrt is Google's constant * linear_warmup * rsqrt_decay") {
  const ScheduleConfig config = schedule("inverse_sqrt", 1000, 0, 0, 0);
  for (const double step : {1.0, 400.0, 1000.0, 1001.0, 5000.0}) {
    const double google = 0.05 * std::min(1.0, step / 1000) / std::sqrt(std::max(step, 1000.0));
    CHECK(std::abs(scheduled_learning_rate(config, 0.05 / std::sqrt(1000.0), static_cast<std::int64_t>(step), 5000) -
                   google) < 1e-16);
  }
}

TEST_CASE("an unknown schedule is refused with the nearest name") {
  const std::string message = input_error_of([] { scheduled_learning_rate(schedule("cosin", 0, 0, 0, 0), 1, 1, 1); });
  CHECK(message.find("schedule.name: ") == 0);
  CHECK(message.find("\"cosine\"") != std::string::npos);
}

}  // namespace cosformer::test
