#include "layers/attention/key_value_cache.h"

#include <algorithm>

namespace cosformer {

void KeyValueCache::append(const Tensor& key, const Tensor& value) {
  if (!keys_.defined() || keys_.dim(1) == length_) make_room(key, value);
  keys_.narrow(1, length_, 1).copy_from(key);
  values_.narrow(1, length_, 1).copy_from(value);
  ++length_;
}

void KeyValueCache::select(std::span<const std::int64_t> rows) {
  if (!keys_.defined()) return;
  for (Tensor* all : {&keys_, &values_}) {
    const Tensor old = *all;
    *all = Tensor::empty(old.shape().with_dim(0, static_cast<std::int64_t>(rows.size())), old.dtype());
    const std::int64_t kept = visible(), first = length_ - kept;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      all->narrow(0, row, 1).narrow(1, first, kept).copy_from(old.narrow(0, rows[i], 1).narrow(1, first, kept));
    }
  }
}

/// Keeps what the next token sees, in the same buffers if that fills at most half of them, else in twice as large ones.
void KeyValueCache::make_room(const Tensor& key, const Tensor& value) {
  const std::int64_t kept = window_ < 0 ? length_ : std::min(length_, window_);
  const bool in_place = keys_.defined() && 2 * kept <= length_;
  const auto move = [&](Tensor& all, const Tensor& next) {
    const Tensor old = all;
    if (!in_place) all = Tensor::empty(next.shape().with_dim(1, std::max<std::int64_t>(64, 2 * length_)), next.dtype());
    if (kept > 0) all.narrow(1, 0, kept).copy_from(old.narrow(1, length_ - kept, kept));
  };
  move(keys_, key);
  move(values_, value);
  length_ = kept;
}

}  // namespace cosformer
