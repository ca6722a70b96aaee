#include "train/loop/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "layers/attention/registry.h"
#include "layers/carried_texts.h"
#include "layers/model.h"
#include "layers/sequence/sequence_grid.h"
#include "train/loop/gradient_step.h"
#include "train/optimizers/optimizer.h"
#include "train/tasks/execution.h"
#include "train/tasks/task.h"

namespace cosformer {

namespace {

std::string mebibytes(std::int64_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)); }

/// 1234567 -> "1,234,567".
std::string grouped(std::int64_t value) {
  if (value < 1000) return fmt::format("{}", value);
  return fmt::format("{},{:03}", grouped(value / 1000), value % 1000);
}

std::string duration(double seconds) {
  if (seconds < 3600) return fmt::format("{:.1f} minutes", seconds / 60);
  return seconds < 86400 ? fmt::format("{:.1f} hours", seconds / 3600) : fmt::format("{:.1f} days", seconds / 86400);
}

/// The graphs of a rank's training step, of rows of `texts` texts each.
GraphLoad graph_load(const Config& config, const ModelConfig& model, std::int64_t seq_len, std::int64_t texts,
                     std::int64_t shards) {
  const std::int64_t rows = std::max<std::int64_t>(config.train.batch_size / config.train.accumulation, 1);
  const std::int64_t shard_rows = (rows + shards - 1) / shards;
  GraphLoad load{.rows = std::min(rows_at_once(shards, rows, rows * texts * seq_len), shard_rows) * texts,
                 .seq_len = seq_len,
                 .at_once = std::min<std::int64_t>(shards, num_threads()),
                 .threads = shards == 1 ? num_threads() : 1,
                 .gradient_sets = gradient_sets(step_leaves(model, config.train), shards == 1 ? 1 : num_threads()),
                 .recompute_layers = config.train.recompute == Recompute::layers,
                 .carries = carries_state(config.task)};
  if (config.train.sequence_ranks == 0) return load;
  // A rank has some of a text's parts, and each thread one at a time.
  const SequenceGrid grid(seq_len, model.attention.chunk_size);
  const std::int64_t own_parts = (grid.count() + config.train.sequence_ranks - 1) / config.train.sequence_ranks;
  load.part_tokens = grid.part_tokens();
  load.seq_len = std::min(seq_len, own_parts * grid.part_tokens());
  load.threads = std::min<std::int64_t>(own_parts, num_threads());
  return load;
}

}  // namespace

RunPlan make_plan(const Config& config, const ModelConfig& model_config, std::int64_t seq_len) {
  const Model model(model_config, static_cast<std::uint64_t>(config.train.seed), DType::float32,
                    ParameterValues::shapes_only);
  const std::int64_t rows = std::max<std::int64_t>(config.train.batch_size / config.train.accumulation, 1);
  const std::int64_t texts = model_config.pair_features == PairFeatures::none ? 1 : 2;
  RunPlan plan;
  plan.groups = parameter_groups(model.parameters());
  plan.parameters = count_elements(model.parameters());
  plan.trained = count_trained(model.parameters());
  plan.vocab_size = model_config.vocab_size;
  plan.tokens_per_step = config.train.batch_size * texts * seq_len;
  plan.shards = shard_count(model_config, config.train, rows);
  plan.training_flops_per_token = 3.0 * forward_flops_per_token(model_config, seq_len);
  plan.run_flops = plan.training_flops_per_token * static_cast<double>(plan.tokens_per_step) *
                   static_cast<double>(config.train.max_steps);
  plan.memory =
      estimate_memory(model_config, plan.parameters, optimizer_moments(config.optimizer) + (config.train.ema > 0 ? 1 : 0),
                      graph_load(config, model_config, seq_len, texts, plan.shards), plan.parameters - plan.trained);
  // A model that cannot go on is refused where training begins.
  if (carries_state(config.task) && !find_carry_problem(model_config, seq_len, 0))
    plan.memory.carried = carried_bytes(model.decoder(), config.train.batch_size, seq_len);
  return plan;
}

std::string format_plan(const RunPlan& plan, std::optional<double> peak_flops) {
  std::string text;
  const auto line = [&](const std::string& name, const std::string& value) {
    text += fmt::format("{:<32}{:>16}\n", name, value);
  };
  for (const ParameterGroup& group : plan.groups) line(group.name, grouped(group.elements));
  line("parameters", grouped(plan.parameters));
  if (plan.trained != plan.parameters) line("  trained", grouped(plan.trained));
  line("vocab_size", grouped(plan.vocab_size));
  line("tokens per step", grouped(plan.tokens_per_step));
  if (plan.epochs > 0) line("epochs of the run", fmt::format("{:.3g}", plan.epochs));
  line("shards of a micro-batch", grouped(plan.shards));
  line("training FLOPs per token", fmt::format("{:.4g}", plan.training_flops_per_token));
  line("FLOPs of the run", fmt::format("{:.4g}", plan.run_flops));
  if (peak_flops) line("the run at this machine's peak", duration(plan.run_flops / *peak_flops));
  line("memory of a step, about", mebibytes(plan.memory.total()));
  line("  parameters", mebibytes(plan.memory.parameters));
  line("  gradients", mebibytes(plan.memory.gradients));
  line("  optimizer", mebibytes(plan.memory.optimizer));
  line("  activations", mebibytes(plan.memory.activations));
  if (plan.memory.carried > 0) line("  carried states", mebibytes(plan.memory.carried));
  return text;
}

std::string plan_to_json(const RunPlan& plan, std::optional<double> peak_flops) {
  nlohmann::ordered_json groups = nlohmann::ordered_json::object();
  for (const ParameterGroup& group : plan.groups) groups[group.name] = group.elements;
  nlohmann::ordered_json json = {
      {"parameters", plan.parameters},
      {"trained_parameters", plan.trained},
      {"parameters_by_part", groups},
      {"vocab_size", plan.vocab_size},
      {"tokens_per_step", plan.tokens_per_step},
      {"epochs", plan.epochs > 0 ? nlohmann::ordered_json(plan.epochs) : nlohmann::ordered_json()},
      {"shards", plan.shards},
      {"training_flops_per_token", plan.training_flops_per_token},
      {"run_flops", plan.run_flops},
      {"memory_bytes",
       {{"parameters", plan.memory.parameters},
        {"gradients", plan.memory.gradients},
        {"optimizer", plan.memory.optimizer},
        {"activations", plan.memory.activations},
        {"carried", plan.memory.carried},
        {"total", plan.memory.total()}}}};
  if (peak_flops) json["seconds_at_peak"] = plan.run_flops / *peak_flops;
  return json.dump();
}

}  // namespace cosformer
