#pragma once
/// \file
/// The heads of a call, with the tables that they share, and how they are spread over the threads. Internal to this folder.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/linear_attention/head.h"
#include "core/parallel.h"

namespace cosformer::detail {

/// The heads of all items, b · H + h, with the tables they point into.
template <class T>
class LinearHeads {
 public:
  LinearHeads(const AttentionSizes& sizes, const AttentionVisibility& visibility, const LinearAttentionOptions& options,
              const Heads<const T>& query, const Heads<const T>& key, const Heads<const T>& value)
      : tables_(sizes, visibility, options) {
    for (std::int64_t b = 0; b < sizes.batch; ++b) {
      for (std::int64_t h = 0; h < sizes.heads; ++h) {
        heads_.push_back({.queries = sizes.queries,
                          .keys = sizes.keys,
                          .head_dim = sizes.head_dim,
                          .value_dim = sizes.value_dim,
                          .causal = visibility.causal,
                          .map = options.feature_map,
                          .normalization = options.normalization,
                          .query = rows_of(query, b, h),
                          .key = rows_of(key, b, h),
                          .value = rows_of(value, b, h),
                          .key_mask = mask_of(visibility, sizes, b),
                          .query_factors = tables_.query_factors(b, h),
                          .key_factors = tables_.key_factors(b, h),
                          .weights = tables_.weights(b, h),
                          .carried = reweighting_kind(options.reweighting).is_carried(),
                          .query_positions = positions_of(visibility.query_positions, b, sizes.queries),
                          .key_positions = positions_of(visibility.key_positions, b, sizes.keys)});
      }
    }
  }
  std::span<const LinearHead<T>> all() const { return heads_; }
  std::span<LinearHead<T>> all() { return heads_; }

 private:
  ReweightingTables<T> tables_;
  std::vector<LinearHead<T>> heads_;
};

/// Heads of an item whose states fit the second-level cache together.
inline constexpr std::int64_t kMostHeads = 4;

/// Heads of an item that one thread takes side by side: at most kMostHeads, and no more than
/// leave every thread a piece. Each head's numbers are the same in any group.
template <class Visit>
void for_each_head_group(const AttentionSizes& sizes, Visit&& visit) {
  const std::int64_t threads = in_parallel_region() ? 1 : num_threads();
  const std::int64_t group =
      std::min({kMostHeads, sizes.heads, std::max<std::int64_t>(sizes.batch * sizes.heads / threads, 1)});
  const std::int64_t groups = (sizes.heads + group - 1) / group;
  parallel_for(sizes.batch * groups, [&](std::int64_t piece) {
    const std::int64_t b = piece / groups, first = piece % groups * group;
    visit(static_cast<std::size_t>(b * sizes.heads + first), static_cast<std::size_t>(std::min(group, sizes.heads - first)));
  });
}

/// The normaliser [B, T, H] of one head as a column; null where there is none.
template <class T>
MatrixView<T> normalizer_of(T* normalizer, const AttentionSizes& sizes, std::int64_t b, std::int64_t h) {
  return {normalizer ? normalizer + b * sizes.queries * sizes.heads + h : nullptr, sizes.heads};
}

}  // namespace cosformer::detail
