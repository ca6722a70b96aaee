#include "train/loop/training_speed.h"

#include <algorithm>
#include <chrono>

#include "core/parallel.h"
#include "layers/cost.h"
#include "layers/sequence/sequence_group.h"
#include "train/loop/gradient_step.h"

namespace cosformer {

namespace {

/// A backward pass takes about twice the operations of a forward pass.
constexpr double kPasses = 3;
/// Operations of one try: enough to be timed, few enough to take no longer than seconds.
constexpr double kTryFlops = 5e10;
/// Models of so many layers are tried as they are.
constexpr std::int64_t kFewLayers = 4;

/// Some leaves of a step: their runs, and what they cost.
struct Try {
  TrainConfig train;
  LeafRuns runs;
  double flops = 0;
};

double flops_of(const std::vector<double>& costs, const LeafRuns& runs) {
  double sum = 0;
  for (const LeafRange run : runs) {
    for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) sum += kPasses * costs[static_cast<std::size_t>(leaf)];
  }
  return sum;
}

/// One micro-batch whose leaves are shards: as many of them as threads. Else one leaf of as many sequences as a try may
/// have.
Try choose_part(const Config& config, const Task& task) {
  Try part{config.train, {}};
  part.train.batch_size = shard_rows(config.train.batch_size, config.train.accumulation, 0).count;
  part.train.accumulation = 1;
  const bool has_shards = step_leaves(config.model, part.train) > 1;
  if (!has_shards) {
    const auto length = static_cast<double>(task.typical_length());
    const double row_flops = kPasses * forward_flops_per_token(config.model, task.typical_length()) * length;
    const auto rows = static_cast<std::int64_t>(kTryFlops / row_flops);
    part.train.batch_size = std::clamp<std::int64_t>(rows, 1, part.train.batch_size);
    part.train.shards = 1;
  }
  const std::int64_t leaves = step_leaves(config.model, part.train), tried = std::min<std::int64_t>(num_threads(), leaves);
  // Those in the middle are of average cost.
  part.runs = {{(leaves - tried) / 2, (leaves - tried) / 2 + tried}};
  return part;
}

/// The median time of a try with so many layers.
double seconds_of(const Config& config, const Task& task, const Try& part, std::int64_t num_layers) {
  ModelConfig shallow = config.model;
  shallow.num_layers = num_layers;
  const Model model(shallow, static_cast<std::uint64_t>(config.train.seed));
  const auto alone = make_single_rank();
  SequenceGroup sequence(*alone, 1);
  const StepWork work(task, model, part.train, 1, part.train.sequence_ranks > 0 ? &sequence : nullptr);
  constexpr int kTries = 5;
  constexpr double kEnoughSeconds = 3;
  std::vector<double> seconds;
  double sum = 0;
  for (int attempt = 0; attempt <= kTries && (attempt < 2 || sum < kEnoughSeconds); ++attempt) {
    const auto begin = std::chrono::steady_clock::now();
    compute_leaf_gradients(work, part.runs);
    const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    sum += taken;
    // The first one finds caches and memory empty.
    if (attempt > 0) seconds.push_back(taken);
  }
  const auto middle = seconds.begin() + std::ssize(seconds) / 2;
  std::ranges::nth_element(seconds, middle);
  return *middle;
}

}  // namespace

double measure_training_speed(const Config& config, const Task& task) {
  const Try part = choose_part(config, task);
  const std::int64_t layers = config.model.num_layers;
  const Model shapes(config.model, 0, DType::float32, ParameterValues::shapes_only);
  TextCosts texts(config.model);
  const double flops = flops_of(StepWork(task, shapes, part.train, 1).leaf_costs(texts), part.runs);
  // Where layers differ in their attention, a pattern counts as one layer does.
  const std::int64_t period = std::max<std::int64_t>(std::ssize(config.model.attention.layers), 1);
  if (layers <= std::max(kFewLayers, 3 * period)) return flops / seconds_of(config, task, part, layers);
  const double one = seconds_of(config, task, part, period), three = seconds_of(config, task, part, 3 * period);
  const double more_periods = static_cast<double>(layers - period) / static_cast<double>(period);
  return flops / (one + std::max(three - one, 0.0) / 2 * more_periods);
}

std::vector<double> first_step_flops(const Config& config, const Task& task) {
  const Model shapes(config.model, 0, DType::float32, ParameterValues::shapes_only);
  TextCosts texts(config.model);
  std::vector<double> flops = StepWork(task, shapes, config.train, 1).leaf_costs(texts);
  for (double& leaf : flops) leaf *= kPasses;
  return flops;
}

}  // namespace cosformer
