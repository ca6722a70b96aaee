#include "train/loop/progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "core/error.h"
#include "core/figure_text.h"

namespace cosformer {

namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kLineSeconds = 30;

std::string printed(const char* format, double value) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string format_rate(double per_second) {
  if (per_second >= 999.95e3) return printed("%.1fM", per_second / 1e6);
  if (per_second >= 999.95) return printed("%.1fk", per_second / 1e3);
  return printed("%.0f", per_second);
}

std::string two_units(std::int64_t large, const char* large_unit, std::int64_t small, const char* small_unit) {
  return concat(large, ' ', large_unit, small < 10 ? " 0" : " ", small, ' ', small_unit);
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds)) return "unknown time";
  constexpr double kLongest = 1e15;
  const auto whole = static_cast<std::int64_t>(std::clamp(seconds, 0.0, kLongest) + 0.5);
  const std::int64_t minutes = whole / 60, hours = minutes / 60, days = hours / 24;
  if (whole < 60) return concat(whole, " s");
  if (minutes < 60) return concat(minutes, " min");
  if (hours < 24) return two_units(hours, "h", minutes % 60, "min");
  return two_units(days, "d", hours % 24, "h");
}

std::string format_progress(const Progress& progress, std::size_t columns) {
  enum Field : std::size_t { kStep, kLoss, kLearningRate, kSpeed, kShare, kTimeLeft, kFields };
  std::array<std::string, kFields> fields;
  fields[kStep] = concat("step ", progress.step, '/', progress.max_steps);
  fields[kLoss] = concat("  loss ", std::isfinite(progress.loss) ? printed("%.4f", progress.loss) : std::string(kNotFinite));
  fields[kLearningRate] = "  lr " + printed("%.1e", progress.learning_rate);
  fields[kSpeed] = concat("  ", format_rate(progress.tokens_per_second), " tokens/s");
  if (progress.share_of_peak) fields[kShare] = concat("  ", printed("%.0f", *progress.share_of_peak * 100), " % of peak");
  if (progress.seconds_left) fields[kTimeLeft] = concat("  ", format_duration(*progress.seconds_left), " left");
  const auto line = [&] { return std::accumulate(fields.begin(), fields.end(), std::string()); };
  for (const Field least : {kShare, kLearningRate, kSpeed, kLoss}) {
    if (line().size() > columns) fields[least].clear();
  }
  return line();
}

std::string format_evaluation(std::int64_t done, std::int64_t batches, double seconds) {
  std::string text = concat("evaluating ", done, '/', batches);
  if (done > 0)
    text +=
        concat("  ", format_duration(seconds / static_cast<double>(done) * static_cast<double>(batches - done)), " left");
  return text;
}

void ProgressDisplay::update(const Progress& progress, double now_seconds) {
  if (!enabled_) return;
  last_ = format_progress(progress);
  if (console_.features().rewrites) {
    if (shown_at_ && now_seconds - *shown_at_ < kRedrawSeconds) return;
    shown_at_ = now_seconds;
    // The console leaves the last column free.
    console_.set_status(format_progress(progress, static_cast<std::size_t>(std::max(console_.features().columns - 1, 0))));
  } else if (progress.step % log_every_ == 0) {
    console_.print(last_);
    last_.clear();
  }
}

void ProgressDisplay::update_evaluation(std::int64_t done, std::int64_t batches, double now_seconds) {
  if (!enabled_) return;
  if (done == 0) {
    evaluation_began_ = now_seconds;
    line_due_ = now_seconds + kLineSeconds;
  }
  const std::string text = format_evaluation(done, batches, now_seconds - evaluation_began_);
  if (console_.features().rewrites) {
    if (shown_at_ && now_seconds - *shown_at_ < kRedrawSeconds) return;
    shown_at_ = now_seconds;
    console_.set_status(text);
  } else if (now_seconds >= line_due_) {
    line_due_ = now_seconds + kLineSeconds;
    console_.print(text);
  }
}

void ProgressDisplay::finish() {
  console_.clear_status();
  if (!last_.empty()) console_.print(last_);
  last_.clear();
}

}  // namespace cosformer
