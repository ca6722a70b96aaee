#pragma once
/// \file
/// Which scores of a tile count, and the probabilities they give. Internal to this folder.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "core/error.h"
#include "core/kernels/attention/attention_tiles.h"

namespace cosformer::detail {

/// Positions [begin, end).
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// What hides the keys of one item from its queries.
struct ItemVisibility {
  ItemVisibility(const AttentionVisibility& visibility, const AttentionSizes& sizes, std::int64_t b)
      : causal(visibility.causal),
        window(visibility.window),
        key_mask(mask_of(visibility, sizes, b)),
        query_positions(positions_of(visibility.query_positions, b, sizes.queries)),
        key_positions(positions_of(visibility.key_positions, b, sizes.keys)) {}

  /// Whether something else than causality hides scores.
  bool has_holes() const { return window >= 0 || key_mask != nullptr; }

  bool causal;
  std::int64_t window;
  const std::uint8_t* key_mask;         ///< [S] or null
  const std::int32_t* query_positions;  ///< [T] or null
  const std::int32_t* key_positions;    ///< [S] or null
};

/// Of `count` tokens at `others` those that stand within `window` of one of `tokens`, whose positions are `own`.
inline Range within_window(const std::int32_t* own, Range tokens, const std::int32_t* others, std::int64_t count,
                           std::int64_t window) {
  if (own == nullptr) {
    return {std::max<std::int64_t>(0, tokens.begin - window), window < count - tokens.end ? tokens.end + window : count};
  }
  if (tokens.begin == tokens.end) return {0, 0};
  const std::int64_t first = own[tokens.begin] - window, last = own[tokens.end - 1] + window;
  return {std::lower_bound(others, others + count, first) - others, std::upper_bound(others, others + count, last) - others};
}

/// Keys that at least one query of `queries` sees, by position alone.
inline Range visible_keys(const ItemVisibility& item, Range queries, std::int64_t keys) {
  Range range{0, keys};
  if (item.window >= 0) range = within_window(item.query_positions, queries, item.key_positions, keys, item.window);
  if (item.causal) range.end = std::min(range.end, queries.end);
  return {range.begin, std::max(range.begin, std::min(range.end, keys))};
}

/// Queries that see at least one key of `keys`, by position alone.
inline Range visible_queries(const ItemVisibility& item, Range keys, std::int64_t queries) {
  Range range{0, queries};
  if (item.window >= 0) range = within_window(item.key_positions, keys, item.query_positions, queries, item.window);
  if (item.causal) range.begin = std::max(range.begin, keys.begin);
  return {std::min(range.begin, range.end), range.end};
}

/// A tile of scores whose first `whole` columns all its rows see by causality, followed by `diagonal` columns of which row i
/// sees the first i + 1.
struct TileColumns {
  /// Of queries and keys that begin at multiples of one size, or the keys before.
  TileColumns(const ItemVisibility& item, Range queries, Range keys) : whole(keys.end - keys.begin) {
    if (!item.causal || item.window >= 0) return;
    const std::int64_t width = whole;
    whole = std::clamp<std::int64_t>(queries.begin - keys.begin, 0, width);
    diagonal = width - whole;
  }
  std::int64_t width() const { return whole + diagonal; }
  /// Columns that row i sees.
  std::int64_t seen(std::int64_t i) const { return whole + std::min(i + 1, diagonal); }

  std::int64_t whole;
  std::int64_t diagonal = 0;
};

/// C (rows × tile's columns) = A·B, without what the rows do not see.
template <class T>
void multiply_scores(std::int64_t rows, const TileColumns& columns, std::int64_t k, MatrixView<const T> a,
                     MatrixView<const T> b, MatrixView<T> c) {
  if (columns.whole > 0) multiply<T>(rows, columns.whole, k, a, b, false, c);
  if (columns.diagonal > 0) {
    multiply<T>(rows, columns.diagonal, k, a, b.from(0, columns.whole), false, c.from(0, columns.whole),
                {simd::Band::lower_columns});
  }
}

/// C += P·B, P (rows × tile's columns) zero where a row does not see.
template <class T>
void add_weighted(std::int64_t rows, const TileColumns& columns, std::int64_t n, MatrixView<const T> p,
                  MatrixView<const T> b, MatrixView<T> c) {
  if (columns.whole > 0) multiply<T>(rows, n, columns.whole, p, b, true, c);
  if (columns.diagonal > 0) {
    multiply<T>(rows, n, columns.diagonal, p.from(0, columns.whole), b.from(columns.whole), true, c,
                {simd::Band::lower_inner});
  }
}

/// C += Pᵀ·B, P as above.
template <class T>
void add_transposed(std::int64_t rows, const TileColumns& columns, std::int64_t n, MatrixView<const T> p,
                    MatrixView<const T> b, MatrixView<T> c) {
  if (columns.whole > 0) multiply<T>(columns.whole, n, rows, Factor<T>::transposed(p), b, true, c);
  if (columns.diagonal > 0) {
    multiply<T>(columns.diagonal, n, rows, Factor<T>::transposed(p.from(0, columns.whole)), b, true, c.from(columns.whole),
                {simd::Band::upper_inner});
  }
}

/// Sets the scores of a tile that do not count to -infinity.
template <class T>
void hide_scores(const ItemVisibility& item, Range queries, Range keys, MatrixView<T> scores) {
  constexpr T kHidden = -std::numeric_limits<T>::infinity();
  const std::int64_t width = keys.end - keys.begin;
  for (std::int64_t i = queries.begin; i < queries.end; ++i) {
    T* row = scores[i - queries.begin];
    const Range seen = visible_keys(item, {i, i + 1}, keys.end);
    const std::int64_t first = std::clamp<std::int64_t>(seen.begin - keys.begin, 0, width);
    const std::int64_t last = std::clamp<std::int64_t>(seen.end - keys.begin, first, width);
    std::fill(row, row + first, kHidden);
    std::fill(row + last, row + width, kHidden);
    if (item.key_mask == nullptr) continue;
    for (std::int64_t j = first; j < last; ++j) row[j] = item.key_mask[keys.begin + j] != 0 ? row[j] : kHidden;
  }
}

/// Scores of head h lose slope · distance, if distances count.
template <class T>
void subtract_distances(const AttentionVisibility& visibility, const ItemVisibility& item, std::int64_t h, Range queries,
                        Range keys, MatrixView<T> scores) {
  if (visibility.distance_slopes == nullptr) return;
  const T slope = static_cast<T>(visibility.distance_slopes[h]);
  const std::int32_t* const places = item.key_positions;
  for (std::int64_t i = queries.begin; i < queries.end; ++i) {
    const std::int64_t own = item.query_positions == nullptr ? i : item.query_positions[i];
    T* row = scores[i - queries.begin];
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      row[j - keys.begin] -= slope * static_cast<T>(std::abs(own - (places == nullptr ? j : places[j])));
    }
  }
}

/// target = factor · source.
template <class T>
void scaled_rows(std::int64_t count, std::int64_t width, T factor, MatrixView<const T> source, MatrixView<T> target) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < width; ++d) target[i][d] = factor * source[i][d];
  }
}

/// Throws ShapeError if the sizes make no sense together.
inline void check_softmax_attention(const AttentionSizes& sizes, const AttentionVisibility& visibility) {
  check<ShapeError>(sizes.batch >= 0 && sizes.queries >= 0 && sizes.keys >= 0 && sizes.heads >= 0,
                    "[softmax attention] sizes must not be negative");
  check<ShapeError>(sizes.head_dim >= 1 && sizes.value_dim >= 1,
                    "[softmax attention] head_dim and value_dim must be at least 1, not ", sizes.head_dim, " and ",
                    sizes.value_dim);
  check<ShapeError>(!visibility.causal || sizes.queries == sizes.keys,
                    "[softmax attention] causal attention needs as many keys as queries, found ", sizes.queries,
                    " queries and ", sizes.keys, " keys");
  check<ShapeError>(
      visibility.window < 0 || (visibility.query_positions == nullptr) == (visibility.key_positions == nullptr),
      "[softmax attention] a window needs the positions of queries and keys, or of neither");
}

}  // namespace cosformer::detail
