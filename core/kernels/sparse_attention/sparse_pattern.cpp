#include "core/kernels/sparse_attention/sparse_pattern.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/kernels/attention/attention_tiles.h"

namespace cosformer {

SparseItem::SparseItem(const AttentionSizes& sizes, const AttentionVisibility& visibility, std::int64_t b)
    : item_(b),
      causal_(visibility.causal),
      queries_(static_cast<std::int32_t>(sizes.queries)),
      query_positions_(detail::positions_of(visibility.query_positions, b, sizes.queries)) {
  const std::uint8_t* mask = detail::mask_of(visibility, sizes, b);
  const std::int32_t* positions = detail::positions_of(visibility.key_positions, b, sizes.keys);
  keys_.reserve(static_cast<std::size_t>(sizes.keys));
  key_positions_.reserve(static_cast<std::size_t>(sizes.keys));
  for (std::int32_t j = 0; j < static_cast<std::int32_t>(sizes.keys); ++j) {
    if (mask != nullptr && mask[j] == 0) continue;
    keys_.push_back(j);
    key_positions_.push_back(positions == nullptr ? j : positions[j]);
  }
}

ListRange SparseItem::keys_at(std::int64_t first, std::int64_t last) const {
  const auto place = [&](std::int64_t position) {
    const auto found = std::ranges::lower_bound(key_positions_, position, {},
                                                [](std::int32_t own) { return static_cast<std::int64_t>(own); });
    return static_cast<std::int32_t>(found - key_positions_.begin());
  };
  const std::int32_t begin = place(first);
  return {begin, std::max(begin, place(last))};
}

std::int32_t SparseItem::keys_seen_by(std::int32_t query) const {
  if (!causal_) return static_cast<std::int32_t>(keys_.size());
  return static_cast<std::int32_t>(std::ranges::upper_bound(keys_, query) - keys_.begin());
}

std::int32_t SparseItem::first_query_at(std::int64_t position) const {
  if (query_positions_ == nullptr) return static_cast<std::int32_t>(std::clamp<std::int64_t>(position, 0, queries_));
  const auto* found = std::lower_bound(query_positions_, query_positions_ + queries_, position,
                                       [](std::int32_t own, std::int64_t least) { return own < least; });
  return static_cast<std::int32_t>(found - query_positions_);
}

}  // namespace cosformer
