#pragma once
/// \file
/// What all attention kernels take: sizes, operands by strides, and masks.
///
/// Letters: B batch, T queries, S keys, H heads, D head_dim (of queries and keys), E value dim.

#include <cstdint>

#include "core/kernels/gradient.h"
#include "core/simd/row_loops.h"

namespace cosformer {

struct AttentionSizes {
  std::int64_t batch = 0;      ///< B
  std::int64_t queries = 0;    ///< T
  std::int64_t keys = 0;       ///< S
  std::int64_t heads = 0;      ///< H
  std::int64_t head_dim = 0;   ///< D
  std::int64_t value_dim = 0;  ///< E
};

/// An operand [B, length, H, width] that may be a strided view: element (b, t, h, i) is
/// data[b · batch_stride + t · seq_stride + h · head_stride + i].
template <class T>
struct Heads {
  T* data = nullptr;
  std::int64_t batch_stride = 0;
  std::int64_t seq_stride = 0;
  std::int64_t head_stride = 0;

  /// First row of item b, head h; rows are `seq_stride` apart.
  T* rows(std::int64_t b, std::int64_t h) const { return data + b * batch_stride + h * head_stride; }
};

/// Which keys a query sees.
struct AttentionVisibility {
  bool causal = false;                     ///< query i sees keys j ≤ i (then T = S)
  const std::uint8_t* key_mask = nullptr;  ///< [B, S], 1 = a real token, 0 = padding, anywhere; null = all real
  std::int64_t window = -1;                ///< |position of i - position of j| ≤ window; negative = no limit
  /// Of softmax's weights: that of query i and key j is element ((b · H + h) · T + i) · S + j. Null = none.
  const DropoutMask* dropout = nullptr;
  /// Where queries and keys stand in their texts, [B, T] and [B, S], never falling within an item; null = i and j. A window
  /// needs both or neither.
  const std::int32_t* query_positions = nullptr;
  const std::int32_t* key_positions = nullptr;
  /// [H] or null: softmax's score of query i and key j loses slope · |position of i − position of j|, with a slope of each
  /// head. Source: Press et al., Train Short, Test Long (ALiBi), ICLR 2022.
  const double* distance_slopes = nullptr;
};

}  // namespace cosformer
