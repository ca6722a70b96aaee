#include "train/tasks/execution.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "core/parallel.h"

namespace cosformer {

namespace {

constexpr std::int64_t kWidestShardedModel = 192;  // embed_dim
constexpr std::int64_t kMaxShards = 16;            // each holds gradients of its own
constexpr std::int64_t kLeastGraphTokens = 512;    // fewer would not be worth a graph

}  // namespace

std::int64_t shard_count(const ModelConfig& model, std::int64_t requested, std::int64_t rows) {
  if (rows <= 0) return 1;
  if (requested > 0) return std::min(requested, rows);
  return model.embed_dim <= kWidestShardedModel ? std::min(kMaxShards, rows) : 1;
}

std::int64_t shard_count(const ModelConfig& model, const TrainConfig& train, std::int64_t rows) {
  return train.sequence_ranks > 0 ? 1 : shard_count(model, train.shards, rows);
}

std::int64_t rows_at_once(std::int64_t shards, std::int64_t rows, std::int64_t tokens) {
  if (shards == 1 || rows <= 0) return std::max<std::int64_t>(rows, 1);
  const std::int64_t row_tokens = std::max<std::int64_t>(tokens / rows, 1);
  return (kLeastGraphTokens + row_tokens - 1) / row_tokens;
}

std::int64_t gradient_sets(std::int64_t shards, std::int64_t threads) {
  const auto levels = static_cast<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(shards - 1)));
  return std::min(shards, threads + levels);
}

ShardRows shard_rows(std::int64_t rows, std::int64_t shards, std::int64_t shard) {
  const std::int64_t first = rows * shard / shards;
  return {first, rows * (shard + 1) / shards - first};
}

EvaluationSums score_shards(const ModelConfig& model, const TrainConfig& train, std::int64_t rows,
                            const std::function<EvaluationSums(ShardRows)>& score) {
  const std::int64_t shards = shard_count(model, train, rows);
  const std::int64_t pieces =
      train.sequence_ranks > 0 ? std::min(train.accumulation, std::max<std::int64_t>(rows, 1)) : shards;
  std::vector<EvaluationSums> figures(static_cast<std::size_t>(pieces));
  const auto score_piece = [&](std::int64_t piece) {
    figures[static_cast<std::size_t>(piece)] = score(shard_rows(rows, pieces, piece));
  };
  if (shards > 1) {
    parallel_for(pieces, score_piece);
  } else {
    // Outside a loop over threads, so that operators or parts are split over them.
    for (std::int64_t piece = 0; piece < pieces; ++piece) score_piece(piece);
  }
  EvaluationSums sums;
  for (const EvaluationSums& piece : figures) add_sums(sums, piece);
  return sums;
}

}  // namespace cosformer
