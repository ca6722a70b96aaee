#pragma once
/// \file
/// Gradients of attention's operands, which kernels write head by head. Internal to the attention kernels.

#include <cstddef>
#include <memory>

#include "core/kernels/attention/attention_types.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/gradient.h"
#include "core/memory.h"

namespace cosformer::detail {

/// A gradient [batch, length, heads, width] that a kernel writes: in its place, or in a buffer if it is to be added to or is
/// not wanted.
template <class T>
class WrittenGradient {
 public:
  WrittenGradient(const Gradient<T>& gradient, std::int64_t batch, std::int64_t length, std::int64_t heads,
                  std::int64_t width)
      : gradient_(gradient),
        size_(batch * length * heads * width),
        row_(heads * width),
        item_(length * row_),
        width_(width) {
    if (gradient.data == nullptr || gradient.add) buffer_ = allocate_block(static_cast<std::size_t>(size_) * sizeof(T));
    target_ = buffer_ ? reinterpret_cast<T*>(buffer_.get()) : gradient.data;
  }

  Heads<T> heads() const { return {target_, item_, row_, width_}; }
  /// Call once, when all heads are written.
  void finish() const {
    if (gradient_.data != nullptr && gradient_.add) accumulate_elements(target_, gradient_.data, size_);
  }

 private:
  Gradient<T> gradient_;
  std::int64_t size_, row_, item_, width_;
  std::shared_ptr<std::byte> buffer_;
  T* target_ = nullptr;
};

/// Those of query, key and value.
template <class T>
struct WrittenGradients {
  WrittenGradients(const AttentionSizes& sizes, const Gradient<T>& dquery, const Gradient<T>& dkey,
                   const Gradient<T>& dvalue)
      : query(dquery, sizes.batch, sizes.queries, sizes.heads, sizes.head_dim),
        key(dkey, sizes.batch, sizes.keys, sizes.heads, sizes.head_dim),
        value(dvalue, sizes.batch, sizes.keys, sizes.heads, sizes.value_dim) {}
  void finish() const {
    query.finish();
    key.finish();
    value.finish();
  }

  WrittenGradient<T> query, key, value;
};

}  // namespace cosformer::detail
