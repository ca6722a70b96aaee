#include "train/loop/run_recorder.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/figure_text.h"
#include "train/loop/peak.h"
#include "train/store/samples.h"

namespace cosformer {

RunRecorder::RunRecorder(const Config& config, double flops_per_token, FileSystem& files, RunDirectory& directory,
                         std::int64_t step, Console& console, spdlog::logger& log)
    : config_(config),
      files_(files),
      directory_(directory),
      log_(log),
      metrics_(files, directory.metrics_file()),
      progress_(console, config.train.log_every, config.logging.progress),
      flops_per_token_(flops_per_token) {
  if (config.logging.tensorboard)
    tensorboard_.emplace(files, directory.path(), directory.is_new() ? std::nullopt : std::optional(step));
}

void RunRecorder::measure_peak() {
  if (config_.logging.progress) peak_ = measure_fma_peak(0.1);
}

void RunRecorder::add_step(const StepReport& report, const RunState& state) {
  window_.tokens += report.tokens;
  window_.steps += 1;
  window_.seconds += report.seconds;
  const double tokens_per_second = static_cast<double>(window_.tokens) / std::max(window_.seconds, 1e-9);
  const double seconds_per_step = window_.seconds / static_cast<double>(window_.steps);
  // A rate above what was measured, perhaps beside other work, shows a higher peak.
  const double operations_per_second = tokens_per_second * flops_per_token_;
  peak_ = std::max(peak_, operations_per_second);
  progress_.update({.step = state.step,
                    .max_steps = config_.train.max_steps,
                    .loss = report.loss,
                    .learning_rate = report.learning_rate,
                    .tokens_per_second = tokens_per_second,
                    .share_of_peak = operations_per_second / peak_,
                    .seconds_left = seconds_per_step * static_cast<double>(config_.train.max_steps - state.step)},
                   now_seconds());
  if (state.step % config_.train.log_every != 0) return;
  metrics_.append({state.step,
                   split_name(Split::train),
                   {{"loss", report.loss},
                    {"learning_rate", report.learning_rate},
                    {"gradient_norm", report.gradient_norm},
                    {"tokens_per_second", tokens_per_second},
                    {"tokens", static_cast<double>(state.tokens_seen)},
                    {"skipped_steps", static_cast<double>(state.nonfinite_total)},
                    {"wall_seconds", state.wall_seconds}}});
  if (tensorboard_) {
    tensorboard_->add_scalars(state.step, {{"train/loss", report.loss},
                                           {"train/learning_rate", report.learning_rate},
                                           {"train/gradient_norm", report.gradient_norm},
                                           {"train/tokens_per_second", tokens_per_second}});
  }
  window_ = {};
}

void RunRecorder::show_evaluation(std::int64_t done, std::int64_t batches) {
  progress_.update_evaluation(done, batches, now_seconds());
}

void RunRecorder::add_evaluation(const Evaluation& evaluation, const RunState& state, bool best, bool may_be_there) {
  MetricRecord record{state.step, split_name(evaluation.split), evaluation.values};
  record.values.emplace_back("wall_seconds", state.wall_seconds);
  if (!may_be_there || !holds(state.step, split_name(evaluation.split))) metrics_.append(record);
  std::string text;
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [name, value] : evaluation.values) {
    scalars.emplace_back("valid/" + name, value);
    text += fmt::format("  {} {}", name, figure_text(value, 5));
  }
  if (tensorboard_) tensorboard_->add_scalars(state.step, scalars);
  log_.info("step {} valid{}{}", state.step, text, best ? "  (best)" : "");
}

void RunRecorder::add_sample(const std::string& prompt, const std::string& text, const RunState& state) {
  cosformer::add_sample(files_, directory_.samples_file(), {state.step, prompt, text});
  // As a JSON string: one line, whatever the model wrote.
  log_.info("step {} sample {}", state.step,
            nlohmann::json(prompt + text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

bool RunRecorder::holds(std::int64_t step, const char* split) const {
  return std::ranges::any_of(read_metrics(directory_.metrics_file()),
                             [&](const MetricRecord& record) { return record.step == step && record.split == split; });
}

}  // namespace cosformer
