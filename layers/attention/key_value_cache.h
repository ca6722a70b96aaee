#pragma once
/// \file
/// Keys and values of the tokens so far, for attention that generates without a recurrent state.

#include <cstdint>
#include <span>

#include "core/tensor.h"

namespace cosformer {

/// Grows by doubling: O(1) copies per token on average. With a window, older tokens than it reaches are dropped if room is
/// needed: memory is then bounded by the window.
class KeyValueCache {
 public:
  /// `window`: the newest token sees so many before it; negative = all.
  explicit KeyValueCache(std::int64_t window) : window_(window) {}

  /// Adds one token: key [B, 1, H, D], value [B, 1, H, E].
  void append(const Tensor& key, const Tensor& value);

  /// Goes on with the items rows[0], rows[1], ... of the batch, which may repeat and be left out.
  void select(std::span<const std::int64_t> rows);

  /// What the newest token sees, itself included: views [B, S, H, D] and [B, S, H, E] that the next `append` may overwrite.
  Tensor keys() const { return keys_.narrow(1, length_ - visible(), visible()); }
  Tensor values() const { return values_.narrow(1, length_ - visible(), visible()); }

 private:
  std::int64_t visible() const { return window_ < 0 || length_ <= window_ ? length_ : window_ + 1; }
  void make_room(const Tensor& key, const Tensor& value);

  std::int64_t window_;
  Tensor keys_, values_;
  std::int64_t length_ = 0;  ///< rows in use
};

}  // namespace cosformer
