#pragma once
/// \file
/// Rows and masks of one head, for the attention kernels that work in tiles.
///
/// Letters: B batch, T queries, S keys, H heads, D head_dim, E value dim, C chunk.

#include "core/kernels/attention/attention_types.h"
#include "core/kernels/scratch_matrix.h"

namespace cosformer::detail {

/// Rows of head h of item b.
template <class T>
MatrixView<T> rows_of(const Heads<T>& heads, std::int64_t b, std::int64_t h) {
  return {heads.rows(b, h), heads.seq_stride};
}

/// The keys' mask of item b, or null.
inline const std::uint8_t* mask_of(const AttentionVisibility& visibility, const AttentionSizes& sizes, std::int64_t b) {
  return visibility.key_mask == nullptr ? nullptr : visibility.key_mask + b * sizes.keys;
}

/// Where the tokens of an item stand: `all` [B, length] at item b, or null.
inline const std::int32_t* positions_of(const std::int32_t* all, std::int64_t b, std::int64_t length) {
  return all == nullptr ? nullptr : all + b * length;
}

}  // namespace cosformer::detail
