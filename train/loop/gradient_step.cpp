#include "train/loop/gradient_step.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/parallel.h"
#include "train/tasks/execution.h"

namespace cosformer {

namespace {

/// The sum of all shards' gradients in a fixed tree: neighbours, then neighbours of neighbours. Whichever of two finished
/// later adds the right one to the left one, so that few shards' gradients exist at one time and the sum does not depend on
/// their timing.
class ShardSum {
 public:
  explicit ShardSum(std::int64_t shards)
      : parts_(static_cast<std::size_t>(shards)), arrived_(static_cast<std::size_t>(shards)) {}

  void finish(std::int64_t shard, Gradients gradients) {
    parts_[static_cast<std::size_t>(shard)] = std::move(gradients);
    const std::size_t count = parts_.size();
    std::size_t left = static_cast<std::size_t>(shard);
    for (std::size_t stride = 1; stride < count; stride *= 2) {
      left = left / (2 * stride) * (2 * stride);
      const std::size_t right = left + stride;
      if (right >= count) continue;
      // Each inner node of the tree is counted at its right child's first shard, which is its own alone.
      if (arrived_[right].fetch_add(1, std::memory_order_acq_rel) == 0) return;
      parts_[left].add(parts_[right]);
      parts_[right] = Gradients();
    }
  }
  Gradients take() { return std::move(parts_.front()); }

 private:
  std::vector<Gradients> parts_;
  std::vector<std::atomic<int>> arrived_;
};

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
    const std::int64_t at_once = rows_at_once(shards, batch.rows, batch.tokens);
    const std::int64_t micro_offset = shard_rows(config.batch_size, micro_batches, micro).first;
    ShardSum sum_of_shards(shards);
    std::vector<double> losses(static_cast<std::size_t>(shards));
    const auto run_shard = [&](std::int64_t shard) {
      const auto [first_row, shard_size] = shard_rows(batch.rows, shards, shard);
      Gradients gradients;
      for (std::int64_t row = first_row; row < first_row + shard_size; row += at_once) {
        const Pass pass{.training = true,
                        .record_gradients = true,
                        .seed = static_cast<std::uint64_t>(config.seed),
                        .noise_index = static_cast<std::uint64_t>(first + micro_offset + row)};
        const Variable loss = batch.loss(model, {row, std::min(at_once, first_row + shard_size - row)}, factor, pass);
        losses[static_cast<std::size_t>(shard)] += loss.value().item();
        gradients = backward(loss, std::move(gradients));
      }
      sum_of_shards.finish(shard, std::move(gradients));
    };
    // A single shard runs outside the loop, so that its operators are split over the threads.
    shards == 1 ? run_shard(0) : parallel_for(shards, run_shard);
    for (const double loss : losses) result.loss += loss;
    Gradients sum = sum_of_shards.take();
    if (micro == 0) {
      result.gradients = std::move(sum);
    } else {
      result.gradients.add(sum);
    }
  }
  return result;
}

}  // namespace cosformer
