#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "autograd/profile.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "layers/attention/registry.h"
#include "layers/cost.h"
#include "train/cli/bench/bench.h"
#include "train/cli/bench/ceilings.h"
#include "train/cli/bench/measure_in_child.h"
#include "train/cli/bench/random_tokens.h"
#include "train/cli/bench/timing.h"
#include "train/loop/shared_step.h"
#include "train/optimizers/schedule.h"
#include "train/tasks/carry_check.h"
#include "train/tasks/cut_check.h"
#include "train/tasks/execution.h"

namespace cosformer {

namespace {

constexpr std::int64_t kMaxSteps = 1'000'000;
constexpr int kProfiledSteps = 3;

/// A run on random tokens, step by step, as Trainer makes it but for records and checkpoints. Without `backward` a step is
/// the loss of a batch, as an evaluation finds it.
class RandomRun {
 public:
  RandomRun(const Config& config, bool backward)
      : config_(config),
        backward_(backward),
        task_(make_random_tokens(config)),
        model_(task_->complete(config.model), static_cast<std::uint64_t>(config.train.seed)) {
    // This process has all parts of a sequence that a config cuts for several.
    config_.train.sequence_ranks = std::min<std::int64_t>(config_.train.sequence_ranks, 1);
    check_cut(config_.train, model_.config(), config_.task.seq_len);
    if (!backward) return;
    check_carried(config_.train, model_.config(), *task_);
    shared_.emplace(config_, *task_, model_, *ranks_);
  }

  bool backward() const { return backward_; }
  const Model& model() const { return model_; }
  std::int64_t tokens_per_step() const { return tokens_; }
  double loss() const { return loss_; }

  /// Seconds of a step and its parts.
  struct Seconds {
    double whole = 0, clipping = 0, optimizer = 0;
  };
  Seconds step() { return backward_ ? training_step() : evaluation_step(); }

 private:
  Seconds training_step() {
    const auto begin = std::chrono::steady_clock::now();
    auto clipping = begin;
    const StepResult result = shared_->compute(++step_, [&] {
      clipping = std::chrono::steady_clock::now();
      return StepNote();
    });
    Seconds seconds{.clipping = seconds_since(clipping)};
    const double norm = result.gradient_norm, limit = config_.optimizer.clip_norm;
    const auto update = std::chrono::steady_clock::now();
    shared_->update(
        {step_, scheduled_learning_rate(config_.schedule, config_.optimizer.learning_rate, step_, config_.train.max_steps),
         limit > 0 && norm > limit ? limit / norm : 1.0});
    seconds.optimizer = seconds_since(update);
    loss_ = result.loss;
    tokens_ = result.tokens;
    seconds.whole = seconds_since(begin);
    return seconds;
  }

  Seconds evaluation_step() {
    const auto begin = std::chrono::steady_clock::now();
    const std::int64_t rows = config_.train.batch_size;
    const auto batch = task_->training_batch(step_++ * rows, rows);
    const double factor = 1.0 / static_cast<double>(batch->targets);
    SequenceGroup sequence(*ranks_, 1);
    const Pass pass{.sequence = config_.train.sequence_ranks > 0 ? &sequence : nullptr};
    loss_ = score_shards(model_.config(), config_.train, rows, [&](ShardRows shard) {
              return EvaluationSums{batch->loss(model_, shard, factor, pass).value().item()};
            }).front();
    tokens_ = batch->tokens;
    return {.whole = seconds_since(begin)};
  }

  Config config_;
  bool backward_;
  std::unique_ptr<Task> task_;
  Model model_;
  std::unique_ptr<Communicator> ranks_ = make_single_rank();
  std::optional<SharedStep> shared_;  ///< of training
  std::int64_t step_ = 0;
  double loss_ = 0;
  std::int64_t tokens_ = 0;
};

/// Milliseconds of a step by operator, longest first: those of all threads over the number of threads that run shards, so
/// that with what no operator accounts for (`other`: sums of shards' gradients, batches, waiting) they make up the step.
nlohmann::ordered_json time_by_operator(RandomRun& run, const Config& config) {
  Profile profile;
  RandomRun::Seconds total;
  {
    const ProfileScope scope(profile);
    for (int i = 0; i < kProfiledSteps; ++i) {
      const RandomRun::Seconds step = run.step();
      total.whole += step.whole;
      total.clipping += step.clipping;
      total.optimizer += step.optimizer;
    }
  }
  const std::int64_t rows = config.train.batch_size / config.train.accumulation;
  const auto threads = static_cast<double>(std::min<std::int64_t>(
      num_threads(), config.train.sequence_ranks > 0
                         ? SequenceGrid(config.task.seq_len, config.model.attention.chunk_size).count()
                         : shard_count(run.model().config(), config.train, rows)));
  nlohmann::ordered_json operators = nlohmann::ordered_json::array();
  double other = total.whole;
  const auto add = [&](const std::string& name, double forward, double backward) {
    other -= forward + backward;
    operators.push_back({{"name", name},
                         {"forward_milliseconds", 1e3 * forward / kProfiledSteps},
                         {"backward_milliseconds", 1e3 * backward / kProfiledSteps},
                         {"share_of_step", (forward + backward) / total.whole}});
  };
  for (const Profile::Operation& operation : profile.operations()) {
    add(operation.name, operation.forward_seconds / threads, operation.backward_seconds / threads);
  }
  if (run.backward()) {
    add("gradient_norm", 0, total.clipping);
    add(config.optimizer.name, 0, total.optimizer);
  }
  add("other", other, 0);
  return operators;
}

/// Everything but the share of the ceiling, and this process's peak memory.
nlohmann::ordered_json measure(const Config& config, bool backward, std::int64_t steps) {
  RandomRun run(config, backward);
  run.step();
  const std::int64_t requests = memory_use().system_requests;
  run.step();
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < steps; ++i) seconds.push_back(run.step().whole);
  const double middle = median(seconds);
  const auto new_requests = static_cast<double>(memory_use().system_requests - requests);
  const double tokens_per_second = static_cast<double>(run.tokens_per_step()) / middle;
  const double flops_per_token = (backward ? 3.0 : 1.0) * forward_flops_per_token(run.model().config(), config.task.seq_len);
  nlohmann::ordered_json result = {{"milliseconds", 1e3 * middle},
                                   {"best_milliseconds", 1e3 * *std::ranges::min_element(seconds)},
                                   {"tokens_per_second", tokens_per_second},
                                   {"gflops", 1e-9 * tokens_per_second * flops_per_token},
                                   {"peak_memory_bytes", peak_resident_bytes()},
                                   {"system_requests_per_step", new_requests / static_cast<double>(steps + 1)}};
  result["operators"] = time_by_operator(run, config);
  result["loss"] = run.loss();
  return result;
}

void print_report(const nlohmann::ordered_json& result) {
  const auto line = [](const char* name, const std::string& value) {
    std::cout << fmt::format("{:<26}{:>14}\n", name, value);
  };
  const auto number = [&](const char* key) { return result[key].get<double>(); };
  line("step, ms (median)", fmt::format("{:.1f}", number("milliseconds")));
  line("step, ms (best)", fmt::format("{:.1f}", number("best_milliseconds")));
  line("tokens a second", fmt::format("{:.0f}", number("tokens_per_second")));
  line("GFLOP/s", fmt::format("{:.1f}", number("gflops")));
  line("share of the ceiling", fmt::format("{:.3f}", number("share_of_peak")));
  line("ceiling, GFLOP/s", fmt::format("{:.1f}", number("peak_gflops")));
  line("share of the FMA peak", fmt::format("{:.3f}", number("share_of_fma_peak")));
  line("FMA peak, GFLOP/s", fmt::format("{:.1f}", number("fma_peak_gflops")));
  line("peak memory, MB", fmt::format("{:.1f}", 1e-6 * number("peak_memory_bytes")));
  line("requests for memory a step", fmt::format("{:.2f}", number("system_requests_per_step")));
  std::cout << fmt::format("\n{:<26}{:>14}{:>14}{:>10}\n", "operator", "forward, ms", "backward, ms", "share");
  for (const auto& row : result["operators"]) {
    std::cout << fmt::format("{:<26}{:>14.2f}{:>14.2f}{:>10.3f}\n", row["name"].get<std::string>(),
                             row["forward_milliseconds"].get<double>(), row["backward_milliseconds"].get<double>(),
                             row["share_of_step"].get<double>());
  }
}

}  // namespace

int run_bench_step(int argc, char** argv) {
  CommandLine line(
      "cosformer bench step",
      "Times whole training steps (forward, backward, clipping, optimizer) of a config's shapes on random tokens, or with\n"
      "--pass forward the steps of an evaluation, on windows that begin anew. No data is read: a vocabulary that would\n"
      "come from it is 256 for bytes and characters, else 8192 or task.tokenizer_vocab_size.");
  add_config_options(line);
  line.options()("steps", "timed steps, after two that warm up", cxxopts::value<std::string>()->default_value("5"), "S");
  add_pass_option(line);
  add_threads_option(line);
  add_peak_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const Config config = given_config(*given);
  if (config.train.threads > 0) set_num_threads(static_cast<int>(config.train.threads));
  use_given_threads(*given);
  const std::optional<double> known_peak = given_peak(*given);
  const std::int64_t steps = given_integer(*given, "steps", 1, kMaxSteps);
  const PassName& pass = given_pass(*given);
  make_random_tokens(config);

  const CeilingAround ceiling(known_peak);
  const std::string file = (*given)["config"].as<std::string>();
  nlohmann::ordered_json result = {{"config", file},
                                   {"attention", attention_title(config.model.attention)},
                                   {"pass", pass.name},
                                   {"batch", config.train.batch_size},
                                   {"length", config.task.seq_len},
                                   {"threads", num_threads()},
                                   {"steps", steps}};
  result.update(measure_in_child([&] { return measure(config, pass.backward, steps); }));
  add_shares(result, ceiling.finish());
  if (given->count("json") > 0) {
    print_json(result);
  } else {
    print_report(result);
  }
  return 0;
}

}  // namespace cosformer
