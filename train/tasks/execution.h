#pragma once
/// \file
/// How a batch is spread over the threads.

#include <cstdint>
#include <functional>

#include "layers/model_config.h"
#include "train/config/config.h"
#include "train/tasks/evaluation.h"

namespace cosformer {

/// Pieces of a micro-batch of `rows` sequences that run side by side, each through the complete forward and backward pass on
/// one thread. Narrow models are bound by memory and by barriers when every operator is split over the threads; their
/// sequences stay in one core's cache instead. Wide models (1 shard) are split inside the matrix products. `requested` > 0
/// decides itself. The answer depends on the config alone, never on the number of threads.
std::int64_t shard_count(const ModelConfig& model, std::int64_t requested, std::int64_t rows);
/// The same of a run: sequences that are cut take all threads, one micro-batch after the other.
std::int64_t shard_count(const ModelConfig& model, const TrainConfig& train, std::int64_t rows);

/// Sequences of a shard that share one graph, of a micro-batch of `rows` sequences and `tokens` tokens in `shards` shards. A
/// shard takes its sequences one after another, so that one graph's activations stay in a core's cache, but short ones
/// together.
std::int64_t rows_at_once(std::int64_t shards, std::int64_t rows, std::int64_t tokens);

/// Gradients of shards that exist at one time: those of the running shards, and one for each level of the tree that adds
/// them up.
std::int64_t gradient_sets(std::int64_t shards, std::int64_t threads);

/// Rows [first, first + count) of shard `shard` among `shards`.
struct ShardRows {
  std::int64_t first;
  std::int64_t count;
};
ShardRows shard_rows(std::int64_t rows, std::int64_t shards, std::int64_t shard);

/// The figures that `score` finds in the pieces of `rows` sequences, added in order: an evaluation's batch, spread as those
/// of training are, over shards, or one micro-batch after the other where sequences are cut.
EvaluationSums score_shards(const ModelConfig& model, const TrainConfig& train, std::int64_t rows,
                            const std::function<EvaluationSums(ShardRows)>& score);

}  // namespace cosformer
