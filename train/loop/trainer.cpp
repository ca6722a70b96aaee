#include "train/loop/trainer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "core/figure_text.h"
#include "layers/cost.h"
#include "train/loop/rank_agreement.h"
#include "train/optimizers/schedule.h"
#include "train/store/atomic_file.h"
#include "train/store/checkpoint_health.h"
#include "train/store/model_parameters.h"

namespace cosformer {

namespace {

/// The steps whose indices a checkpoint keeps as evidence.
constexpr std::size_t kKeptNonfiniteSteps = 100;

}  // namespace

std::string describe(RunEnd end, int signal) {
  switch (end) {
    case RunEnd::finished:
      return "finished";
    case RunEnd::out_of_patience:
      return "stopped: no better result for train.patience evaluations";
    case RunEnd::out_of_time:
      return "stopped: train.max_minutes are over";
    case RunEnd::by_signal:
      return describe_stop(signal);
  }
  return "";
}

Trainer::Trainer(const Config& config, const Task& task, std::unique_ptr<Model> model, FileSystem& files,
                 RunDirectory* directory, Console& console, spdlog::logger& log, Communicator& ranks)
    : config_(config),
      task_(task),
      files_(files),
      directory_(directory),
      log_(log),
      ranks_(ranks),
      identity_(identity_of(task)),
      model_(std::move(model)),
      step_(config, task, *model_, ranks),
      average_(config.train.ema, model_->parameters()) {
  state_.seed = static_cast<std::uint64_t>(config.train.seed);
  state_.higher_is_better = higher_is_better(selection_metric_of(config.task.name));
  resume();
  on_first_rank(ranks_, [&] {
    // A training step is a forward pass and a backward pass of twice its cost.
    recorder_.emplace(config, 3.0 * forward_flops_per_token(model_->config(), task.typical_length()), files, *directory_,
                      state_.step, console, log);
    // A loss of power must not leave a checkpoint without the files beside it.
    sync_folder(files, directory_->path());
  });
}

void Trainer::resume() {
  std::map<std::string, Tensor> optimizer;
  on_first_rank(ranks_, [&] {
    const auto warn = [this](const std::string& message) { log_.warn(message); };
    const Retention retention{static_cast<int>(config_.checkpoint.keep_last), config_.checkpoint.keep_best ? 1 : 0};
    checkpoints_.emplace(files_, directory_->checkpoints(), retention, warn);
    const auto latest = find_latest_checkpoint(directory_->checkpoints(), warn);
    std::int64_t log_every = config_.train.log_every;
    std::optional<std::string> change;
    if (latest) {
      Checkpoint checkpoint = read_checkpoint(*latest);
      load_parameters(model_->parameters(), checkpoint.parameters, latest->string());
      step_.check_state(checkpoint.optimizer);
      average_.check_waiting(checkpoint.optimizer);
      optimizer = std::move(checkpoint.optimizer);
      state_ = checkpoint.state;
      saved_step_ = state_.step;
      if (!checkpoint.config.empty()) {
        const Config before = config_from_json(checkpoint.config, {}, latest->string());
        log_every = before.train.log_every;
        if (state_.best_metric && before.train.eval_max_batches != config_.train.eval_max_batches)
          log_.warn(
              "train.eval_max_batches is {} and was {} in the checkpoint: which evaluation is the best, and with it "
              "train.patience and checkpoint.keep_best, is decided between different parts of the validation data",
              config_.train.eval_max_batches, before.train.eval_max_batches);
      }
      change = find_change(directory_->metrics_file(), checkpoint.metrics, state_.step);
      checkpoints_->finish_save(saved_step_);
      log_.info("continuing from {} (step {})", latest->string(), state_.step);
    }
    if (const auto found = truncate_metrics_after(files_, directory_->metrics_file(), state_.step)) log_.warn(*found);
    const auto gap =
        find_gap(read_metrics(directory_->metrics_file()), state_.step, log_every, latest && state_.metric.has_value());
    if (gap || change) log_.warn(gap ? *gap : *change);
  });
  saved_step_ = of_first_rank(ranks_, saved_step_);
  if (saved_step_ < 0) return;
  state_ = run_state_from_json(nlohmann::json::parse(broadcast_text(ranks_, to_json(state_).dump())), "rank 0's state");
  step_.distribute(optimizer);
  step_.go_on(optimizer, state_.step, state_.nonfinite_steps.empty() ? 0 : state_.nonfinite_steps.back());
  if (!average_) return;
  // So far the model holds what the checkpoint's does, the average. Rank 0 alone has the weights that go on.
  average_.take_average();
  if (ranks_.is_first()) average_.restore_waiting(optimizer);
  step_.distribute(optimizer);
}

void Trainer::save_start() {
  if (saved_step_ < 0) save();
}

RunEnd Trainer::run() {
  started_seconds_ = now_seconds() - state_.wall_seconds;
  agree_on_signal();
  std::optional<RunEnd> end = reason_to_stop();
  // A signal kept the session before from the evaluation of its last step.
  if (state_.step > 0 && !state_.metric && task_.has_split(Split::valid) && wants_evaluation(end)) {
    if (!evaluate()) return *end_by_signal();
    // The checkpoint of this step has no metric yet, by which the best is kept.
    saved_step_ = -1;
    save();
    end = reason_to_stop();
  }
  if (end) {
    if (end == RunEnd::finished && directory_ != nullptr) {
      log_.info("the run has all its {} steps; `{} --set train.max_steps=N` would continue it", state_.step,
                continue_command(directory_->path()));
    }
    return *end;
  }
  if (recorder_) recorder_->measure_peak();
  if (directory_ != nullptr) directory_->remove_results();
  while (!end) {
    train_step();
    end = reason_to_stop();
    if (wants_evaluation(end) && !evaluate()) end = end_by_signal();
    // Patience is known only now.
    if (!end) end = reason_to_stop();
    if (is_due(config_.checkpoint.every) || end) save();
  }
  if (recorder_) recorder_->finish();
  return *end;
}

bool Trainer::is_due(std::int64_t every) const { return every > 0 && state_.step % every == 0; }

bool Trainer::wants_evaluation(std::optional<RunEnd> end) const {
  return is_due(config_.train.eval_every) || (end && end != RunEnd::by_signal);
}

void Trainer::train_step() {
  const double begin = now_seconds();
  const std::int64_t step = state_.step + 1;
  const StepResult result = step_.compute(step, [this] { return StepNote{signals_.received(), wall_seconds()}; });
  const double norm = result.gradient_norm;
  signal_ = result.note.signal;
  const double learning_rate =
      scheduled_learning_rate(config_.schedule, config_.optimizer.learning_rate, step, config_.train.max_steps);

  state_.step = step;
  // A metric belongs to the step that it was measured at.
  state_.metric.reset();
  const DataPosition next = task_.position_of(step * config_.train.batch_size);
  state_.epoch = next.epoch;
  state_.position = next.position;
  state_.tokens_seen += result.tokens;
  if (std::isfinite(result.loss) && std::isfinite(norm)) {
    const double limit = config_.optimizer.clip_norm;
    const double gradient_scale = limit > 0 && norm > limit ? limit / norm : 1.0;
    step_.update({step - state_.nonfinite_total, learning_rate, gradient_scale});
    average_.update(step - state_.nonfinite_total);
    state_.nonfinite_streak = 0;
  } else {
    skip_step(result.loss, norm);
  }
  state_.wall_seconds = result.note.wall_seconds;
  // Nobody has to be asked about a signal that came during the update.
  if (ranks_.is_alone()) agree_on_signal();
  if (recorder_) recorder_->add_step({result.loss, norm, learning_rate, result.tokens, now_seconds() - begin}, state_);
}

void Trainer::skip_step(double loss, double gradient_norm) {
  ++state_.nonfinite_total;
  ++state_.nonfinite_streak;
  state_.nonfinite_steps.push_back(state_.step);
  if (state_.nonfinite_steps.size() > kKeptNonfiniteSteps) state_.nonfinite_steps.erase(state_.nonfinite_steps.begin());
  const bool begins_anew = step_.skip();
  log_.warn("step {} skipped: loss {}, gradient norm {} ({} skipped so far){}", state_.step, figure_text(loss, 6),
            figure_text(gradient_norm, 6), state_.nonfinite_total,
            begins_anew ? "; the next step begins its texts anew" : "");
  if (state_.nonfinite_streak < config_.train.max_nonfinite_steps) return;
  on_first_rank(ranks_, [&] {
    throw Error(concat("stopped at step ", state_.step, ": ", state_.nonfinite_streak,
                       " steps in a row with a loss or gradient that is not finite; ",
                       describe_last_healthy(directory_->checkpoints(), state_)));
  });
}

bool Trainer::evaluate() {
  if (!task_.has_split(Split::valid)) return true;
  const auto stop = [this](std::int64_t done, std::int64_t batches) {
    if (recorder_) recorder_->show_evaluation(done, batches);
    agree_on_signal();
    return end_by_signal().has_value();
  };
  std::optional<Evaluation> evaluation;
  {
    const AveragedWeights::Shown averaged(average_);
    evaluation = task_.evaluate(*model_, Split::valid, config_.train.eval_max_batches, stop, ranks_);
  }
  if (!evaluation) return false;
  const double metric = evaluation->value(selection_metric_of(config_.task.name));
  const bool best = note_metric(state_, metric, is_due(config_.train.eval_every));
  state_.wall_seconds = of_first_rank(ranks_, wall_seconds());
  on_first_rank(ranks_, [&] {
    // A crash between the record of a continued run's first evaluation and its checkpoint makes it evaluate again.
    recorder_->add_evaluation(*evaluation, state_, best, saved_step_ == state_.step);
    write_sample();
  });
  if (best && config_.checkpoint.keep_best) save();
  return true;
}

void Trainer::write_sample() {
  const std::string& prompt = config_.logging.sample_prompt;
  if (prompt.empty()) return;
  const AveragedWeights::Shown averaged(average_);
  std::optional<std::string> text;
  try {
    text = task_.write_sample(*model_, prompt, config_.logging.sample_tokens);
  } catch (const Error& error) {
    // A sample is for the eye: no run ends by it.
    log_.warn("step {}: no sample: {}", state_.step, error.what());
  }
  if (text) recorder_->add_sample(prompt, *text, state_);
}

void Trainer::save() {
  if (saved_step_ == state_.step) return;
  if (state_.nonfinite_streak > 0) {
    log_.warn("no checkpoint of step {}: it was skipped; {}", state_.step, last_checkpoint());
    return;
  }
  std::map<std::string, Tensor> optimizer = step_.gather_state();
  on_first_rank(ranks_, [&] {
    const AveragedWeights::Shown averaged(average_);
    Checkpoint checkpoint;
    for (const Parameter& parameter : model_->parameters())
      checkpoint.parameters[parameter.name] = parameter.variable.value();
    checkpoint.optimizer = std::move(optimizer);
    average_.add_waiting(checkpoint.optimizer);
    checkpoint.config = to_json(config_);
    checkpoint.state = state_;
    checkpoint.identity = identity_;
    checkpoint.metrics = recorder_->content();
    check_finite(checkpoint, last_checkpoint());
    // The records belong to the checkpoint: they reach the disk before it.
    recorder_->sync();
    checkpoints_->save(checkpoint);
  });
  saved_step_ = state_.step;
}

std::string Trainer::last_checkpoint() const {
  return saved_step_ < 0 ? "there is no checkpoint yet" : concat("the last checkpoint is of step ", saved_step_);
}

std::optional<RunEnd> Trainer::reason_to_stop() const {
  // First: a signal during the last step does not hide that the run needs its last evaluation.
  if (state_.step >= config_.train.max_steps) return RunEnd::finished;
  if (const auto end = end_by_signal()) return end;
  if (config_.train.max_minutes > 0 && state_.wall_seconds > 60.0 * config_.train.max_minutes) return RunEnd::out_of_time;
  if (config_.train.patience > 0 && state_.evaluations_since_best >= config_.train.patience) return RunEnd::out_of_patience;
  return std::nullopt;
}

std::optional<RunEnd> Trainer::end_by_signal() const {
  return signal_ != 0 ? std::optional(RunEnd::by_signal) : std::nullopt;
}

void Trainer::agree_on_signal() {
  const int own = signals_.received();
  for (const std::string& message : ranks_.gather_all({reinterpret_cast<const char*>(&own), sizeof own})) {
    int other = 0;
    std::memcpy(&other, message.data(), sizeof other);
    signal_ = std::max(signal_, other);
  }
}

double Trainer::wall_seconds() const { return now_seconds() - started_seconds_; }

}  // namespace cosformer
