#include "train/loop/step_work.h"

#include <algorithm>

#include "layers/cost.h"
#include "train/loop/carried_rows.h"
#include "train/tasks/execution.h"

namespace cosformer {

double TextCosts::of(std::int64_t length) {
  constexpr std::int64_t kStep = 64;
  const std::int64_t steps = std::max<std::int64_t>((length + kStep - 1) / kStep, 1);
  const auto [place, is_new] = per_token_.emplace(steps, 0.0);
  if (is_new) place->second = forward_flops_per_token(model_, steps * kStep);
  return place->second * static_cast<double>(length);
}

std::vector<Leaf> leaves_of(const ModelConfig& model, const TrainConfig& config) {
  std::vector<Leaf> leaves;
  for (std::int64_t micro = 0; micro < config.accumulation; ++micro) {
    const std::int64_t rows = shard_rows(config.batch_size, config.accumulation, micro).count;
    const std::int64_t shards = shard_count(model, config, rows);
    for (std::int64_t shard = 0; shard < shards; ++shard) leaves.push_back({micro, shard, shards});
  }
  return leaves;
}

StepWork::StepWork(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step,
                   SequenceGroup* sequence, const CarriedRows* carried)
    : model_(model),
      sequence_(sequence),
      carried_(carried),
      config_(config),
      step_(step),
      first_((step - 1) * config.batch_size),
      leaves_(leaves_of(model.config(), config)) {
  for (std::int64_t micro = 0; micro < config.accumulation; ++micro) {
    const auto [offset, rows] = shard_rows(config.batch_size, config.accumulation, micro);
    batches_.push_back(task.training_batch(first_ + offset, rows));
    targets_ += batches_.back()->targets;
    tokens_ += batches_.back()->tokens;
  }
}

std::vector<double> StepWork::leaf_costs(TextCosts& texts) const {
  std::vector<double> costs;
  for (const Leaf& leaf : leaves_) {
    const TaskBatch& batch = batch_of(leaf);
    const auto [first_row, count] = shard_rows(batch.rows, leaf.shards, leaf.shard);
    double& sum = costs.emplace_back(0);
    for (std::int64_t row = first_row; row < first_row + count; ++row) {
      for (const std::int64_t length : batch.text_lengths(row)) sum += texts.of(length);
    }
  }
  return costs;
}

bool StepWork::has_shards() const {
  return std::ranges::any_of(leaves_, [](const Leaf& leaf) { return leaf.shards > 1; });
}

ShardRows StepWork::rows_of(std::int64_t leaf) const {
  const Leaf& own = leaves_[static_cast<std::size_t>(leaf)];
  const ShardRows micro = shard_rows(config_.batch_size, config_.accumulation, own.micro);
  const ShardRows shard = shard_rows(micro.count, own.shards, own.shard);
  return {micro.first + shard.first, shard.count};
}

Gradients StepWork::run(std::int64_t index, double& loss, const LeafDone& last_done) const {
  const Leaf& leaf = leaves_[static_cast<std::size_t>(index)];
  const TaskBatch& batch = batch_of(leaf);
  const std::int64_t micro_offset = shard_rows(config_.batch_size, config_.accumulation, leaf.micro).first;
  const std::int64_t at_once = rows_at_once(leaf.shards, batch.rows, batch.tokens);
  const auto [first_row, count] = shard_rows(batch.rows, leaf.shards, leaf.shard);
  const double factor = 1.0 / static_cast<double>(std::max<std::int64_t>(targets_, 1));
  Gradients gradients;
  for (std::int64_t row = first_row; row < first_row + count; row += at_once) {
    const ShardRows rows{row, std::min(at_once, first_row + count - row)};
    const CarriedTexts texts = carried_ ? carried_->texts({micro_offset + row, rows.count}) : CarriedTexts();
    const Pass pass{.training = true,
                    .record_gradients = true,
                    .seed = static_cast<std::uint64_t>(config_.seed),
                    .noise_index = static_cast<std::uint64_t>(first_ + micro_offset + row),
                    .step = step_ - 1,
                    .recompute_layers = config_.recompute == Recompute::layers,
                    .sequence = sequence_,
                    .carried = carried_ ? &texts : nullptr};
    const Variable graph = batch.loss(model_, rows, factor, pass);
    loss += graph.value().item();
    const bool is_last = row + at_once >= first_row + count;
    gradients = backward(graph, std::move(gradients), is_last ? last_done : LeafDone());
  }
  return gradients;
}

}  // namespace cosformer
