#include "train/execution.h"

#include <algorithm>

namespace cosformer {

namespace {

constexpr std::int64_t kWidestShardedModel = 192;  // embed_dim
constexpr std::int64_t kMaxShards = 16;            // each holds gradients of its own

}  // namespace

std::int64_t shard_count(const ModelConfig& model, std::int64_t requested, std::int64_t rows) {
  if (rows <= 0) return 1;
  if (requested > 0) return std::min(requested, rows);
  return model.embed_dim <= kWidestShardedModel ? std::min(kMaxShards, rows) : 1;
}

ShardRows shard_rows(std::int64_t rows, std::int64_t shards, std::int64_t shard) {
  const std::int64_t first = rows * shard / shards;
  return {first, rows * (shard + 1) / shards - first};
}

}  // namespace cosformer
