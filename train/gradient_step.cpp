#include "train/gradient_step.h"

#include <vector>

#include "core/parallel.h"
#include "train/execution.h"

namespace cosformer {

namespace {

/// Sums neighbours, then neighbours of neighbours: an order that depends on the number of shards alone.
Gradients tree_sum(std::vector<Gradients> parts) {
  for (std::size_t stride = 1; stride < parts.size(); stride *= 2) {
    const std::size_t pairs = (parts.size() + stride - 1) / (2 * stride);
    parallel_for(static_cast<std::int64_t>(pairs), [&](std::int64_t pair) {
      const std::size_t left = static_cast<std::size_t>(pair) * 2 * stride;
      if (left + stride >= parts.size()) return;
      parts[left].add(parts[left + stride]);
      parts[left + stride] = Gradients();
    });
  }
  return std::move(parts.front());
}

}  // namespace

StepGradients compute_step_gradients(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step) {
  const std::int64_t first = (step - 1) * config.batch_size;
  const std::int64_t micro_batches = config.accumulation;
  std::vector<std::unique_ptr<TaskBatch>> batches;
  StepGradients result;
  for (std::int64_t micro = 0; micro < micro_batches; ++micro) {
    const auto [offset, rows] = shard_rows(config.batch_size, micro_batches, micro);
    batches.push_back(task.training_batch(first + offset, rows));
    result.targets += batches.back()->targets;
    result.tokens += batches.back()->tokens;
  }
  const double factor = 1.0 / static_cast<double>(std::max<std::int64_t>(result.targets, 1));

  for (std::int64_t micro = 0; micro < micro_batches; ++micro) {
    const TaskBatch& batch = *batches[static_cast<std::size_t>(micro)];
    const std::int64_t shards = shard_count(model.config(), config.shards, batch.rows);
    std::vector<Gradients> gradients(static_cast<std::size_t>(shards));
    std::vector<double> losses(static_cast<std::size_t>(shards));
    const auto run_shard = [&](std::int64_t shard) {
      const auto [row, rows] = shard_rows(batch.rows, shards, shard);
      const auto noise_index = static_cast<std::uint64_t>(((step - 1) * micro_batches + micro) * shards + shard);
      const Pass pass{.training = true,
                      .record_gradients = true,
                      .seed = static_cast<std::uint64_t>(config.seed),
                      .noise_index = noise_index};
      const Variable loss = task.loss(model, batch, row, rows, factor, pass);
      losses[static_cast<std::size_t>(shard)] = loss.value().item();
      gradients[static_cast<std::size_t>(shard)] = backward(loss);
    };
    // A single shard runs outside the loop, so that its operators are split over the threads.
    shards == 1 ? run_shard(0) : parallel_for(shards, run_shard);
    for (const double loss : losses) result.loss += loss;
    Gradients sum = tree_sum(std::move(gradients));
    if (micro == 0) {
      result.gradients = std::move(sum);
    } else {
      result.gradients.add(sum);
    }
  }
  return result;
}

}  // namespace cosformer
