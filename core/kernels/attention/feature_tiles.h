#pragma once
/// \file
/// The loops of features that come from each head's rows by a product with random directions.

#include <algorithm>
#include <cstdint>

#include "core/parallel.h"

namespace cosformer::detail {

/// Rows whose features are in cache at once.
inline constexpr std::int64_t kFeatureTile = 48;

/// Calls `visit(b, h)` for every head of a batch, in parallel.
template <class Visit>
void for_each_head(std::int64_t batch, std::int64_t heads, Visit&& visit) {
  parallel_for(batch * heads, [&](std::int64_t task) { visit(task / heads, task % heads); });
}

/// Calls `visit(begin, count)` for the tiles of a length.
template <class Visit>
void for_each_feature_tile(std::int64_t length, Visit&& visit) {
  for (std::int64_t begin = 0; begin < length; begin += kFeatureTile) visit(begin, std::min(kFeatureTile, length - begin));
}

}  // namespace cosformer::detail
