#include "train/loop/gradient_step.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "core/parallel.h"
#include "train/tasks/execution.h"

namespace cosformer {

namespace {

/// A shard of a micro-batch.
struct Leaf {
  std::int64_t micro = 0, shard = 0, shards = 0;
};

std::vector<Leaf> leaves_of(const ModelConfig& model, const TrainConfig& config) {
  std::vector<Leaf> leaves;
  for (std::int64_t micro = 0; micro < config.accumulation; ++micro) {
    const std::int64_t rows = shard_rows(config.batch_size, config.accumulation, micro).count;
    const std::int64_t shards = shard_count(model, config.shards, rows);
    for (std::int64_t shard = 0; shard < shards; ++shard) leaves.push_back({micro, shard, shards});
  }
  return leaves;
}

/// One step's batches, and the work on one leaf.
class LeafWork {
 public:
  LeafWork(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step)
      : model_(model), config_(config), first_((step - 1) * config.batch_size) {
    for (std::int64_t micro = 0; micro < config.accumulation; ++micro) {
      const auto [offset, rows] = shard_rows(config.batch_size, config.accumulation, micro);
      batches_.push_back(task.training_batch(first_ + offset, rows));
      targets += batches_.back()->targets;
      tokens += batches_.back()->tokens;
    }
  }

  /// `last_done` is told of parameters in the backward pass of the leaf's last graph.
  Gradients run(const Leaf& leaf, double& loss, const LeafDone& last_done) const {
    const TaskBatch& batch = *batches_[static_cast<std::size_t>(leaf.micro)];
    const std::int64_t micro_offset = shard_rows(config_.batch_size, config_.accumulation, leaf.micro).first;
    const std::int64_t at_once = rows_at_once(leaf.shards, batch.rows, batch.tokens);
    const auto [first_row, count] = shard_rows(batch.rows, leaf.shards, leaf.shard);
    const double factor = 1.0 / static_cast<double>(std::max<std::int64_t>(targets, 1));
    Gradients gradients;
    for (std::int64_t row = first_row; row < first_row + count; row += at_once) {
      const Pass pass{.training = true,
                      .record_gradients = true,
                      .seed = static_cast<std::uint64_t>(config_.seed),
                      .noise_index = static_cast<std::uint64_t>(first_ + micro_offset + row)};
      const Variable graph = batch.loss(model_, {row, std::min(at_once, first_row + count - row)}, factor, pass);
      loss += graph.value().item();
      const bool is_last = row + at_once >= first_row + count;
      gradients = backward(graph, std::move(gradients), is_last ? last_done : LeafDone());
    }
    return gradients;
  }

  std::int64_t targets = 0;
  std::int64_t tokens = 0;

 private:
  const Model& model_;
  const TrainConfig& config_;
  std::int64_t first_;
  std::vector<std::unique_ptr<TaskBatch>> batches_;
};

}  // namespace

std::int64_t step_leaves(const ModelConfig& model, const TrainConfig& config) {
  return std::ssize(leaves_of(model, config));
}

LeafGradients compute_leaf_gradients(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step,
                                     LeafRange range, const ParameterDone& done) {
  const std::vector<Leaf> leaves = leaves_of(model.config(), config);
  const LeafWork work(task, model, config, step);
  LeafSums sums(range, std::ssize(leaves));
  LeafGradients result{{}, std::vector<double>(static_cast<std::size_t>(range.count())), work.targets, work.tokens};
  std::unordered_set<const Node*> told;
  const LeafDone last_done = [&](const Node* parameter, const Tensor& gradient) {
    sums.finish_last(parameter, gradient);
    told.insert(parameter);
    done(parameter, sums.of(parameter));
  };
  // Leaves that are whole micro-batches run one after another, and their operators are split over the threads; so does a
  // shard that is alone.
  const bool side_by_side =
      range.count() > 1 && std::ranges::any_of(leaves, [](const Leaf& leaf) { return leaf.shards > 1; });
  const auto run_leaf = [&](std::int64_t index) {
    const std::int64_t leaf = range.first + index;
    const bool tells = done && !side_by_side && leaf + 1 == range.end;
    Gradients gradients = work.run(leaves[static_cast<std::size_t>(leaf)], result.losses[static_cast<std::size_t>(index)],
                                   tells ? last_done : LeafDone());
    if (!tells) {
      sums.finish(leaf, std::move(gradients));
      return;
    }
    // Parameters that only earlier graphs of the leaf have come to.
    gradients.for_each([&](const Node* parameter, const Tensor& gradient) {
      if (!told.contains(parameter)) sums.finish_last(parameter, gradient);
    });
  };
  if (side_by_side) {
    parallel_for(range.count(), run_leaf);
  } else {
    for (std::int64_t index = 0; index < range.count(); ++index) run_leaf(index);
  }
  result.sums = sums.take();
  return result;
}

StepGradients compute_step_gradients(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step) {
  LeafGradients all = compute_leaf_gradients(task, model, config, step, {0, step_leaves(model.config(), config)});
  StepGradients result{std::move(all.sums.front()), 0, all.targets, all.tokens};
  for (const double loss : all.losses) result.loss += loss;
  return result;
}

}  // namespace cosformer
