#pragma once
/// \file
/// Sinkhorn attention's pattern: the own block, and a sorted block in its place (Tay et al., ICML 2020, section 3.2).

#include <cstdint>
#include <vector>

#include "core/kernels/sparse_attention/sparse_pattern.h"
#include "core/padding_mask.h"

namespace cosformer {

/// A batch of which the queries see, beside the keys, as many sorted blocks: `blocks` of `block_size` rows, that stand
/// before the keys.
struct SortedBlocks {
  AttentionSizes sizes;            ///< of queries and keys, without the sorted ones
  AttentionVisibility visibility;  ///< of the keys without the sorted ones; its masks are these:
  std::vector<SharedPaddingMask> masks = {};
  std::int64_t block_size = 64, blocks = 0;
  /// A sorted block holds rows of the blocks before it alone; the first one is empty.
  bool earlier = false;
};

/// Goes by the keys of `blocks`, not by those of the attention itself, which has no mask. A place of a sorted block that no
/// real key stands at is not seen.
SharedSparsePattern make_sorted_pattern(SortedBlocks blocks);

/// What `pairs` is of a text without padding.
double sorted_pairs(std::int64_t block_size, std::int64_t queries, bool causal);

}  // namespace cosformer
