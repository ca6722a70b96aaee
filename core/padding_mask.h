#pragma once
/// \file
/// Which positions of a padded batch hold real tokens.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cosformer {

/// One flag a position: 1 = a real token, 0 = padding. Padding may stand anywhere. Never changed once made, so that
/// it can be shared; a null `SharedPaddingMask` means that all positions are real.
struct PaddingMask {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::vector<std::uint8_t> real;  ///< [batch, length]

  /// Positions of item `b` up to and including its last real token.
  std::int64_t item_length(std::int64_t b) const;
  /// Real tokens of item `b`.
  std::int64_t count(std::int64_t b) const;
};
using SharedPaddingMask = std::shared_ptr<const PaddingMask>;

/// The mask of items that are padded at their end. Throws ShapeError for a length above `length` or below 0.
SharedPaddingMask padding_mask_from_lengths(std::span<const std::int64_t> lengths, std::int64_t length);

}  // namespace cosformer
