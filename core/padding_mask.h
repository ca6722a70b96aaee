#pragma once
/// \file
/// Which tokens of a padded batch are real, and where they stand in their texts.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cosformer {

/// One flag a token: 1 = real, 0 = padding. Padding may stand anywhere. Never changed once made, so that it can be shared; a
/// null `SharedPaddingMask` means that all tokens are real.
///
/// Padding that stands between real tokens need not be there: if it is left out, `positions` says where the tokens that
/// stay stand in their text. Position embeddings, re-weighting and windows go by these, so that results are the same.
struct PaddingMask {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::vector<std::uint8_t> real;            ///< [batch, length]
  std::vector<std::int32_t> positions = {};  ///< [batch, length], never falling within an item; empty: 0, 1, 2, ...
  std::int64_t padded_length = 0;            ///< with `positions`: the length of the batch with nothing left out

  /// Positions of item `b` up to and including that of its last real token.
  std::int64_t item_length(std::int64_t b) const;
  /// The length of the batch with nothing left out.
  std::int64_t full_length() const { return positions.empty() ? length : padded_length; }
  /// Real tokens of item `b`.
  std::int64_t count(std::int64_t b) const;
};
using SharedPaddingMask = std::shared_ptr<const PaddingMask>;

/// The mask of positions [first, first + length) of each item; null if `mask` is.
SharedPaddingMask slice(const SharedPaddingMask& mask, std::int64_t first, std::int64_t length);

/// The mask of items that are padded at their end. Throws ShapeError for a length above `length` or below 0.
SharedPaddingMask padding_mask_from_lengths(std::span<const std::int64_t> lengths, std::int64_t length);

}  // namespace cosformer
