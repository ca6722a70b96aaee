#pragma once
/// \file
/// What the attention kernels share inside: scratch matrices, rows of one head, and products of one tile.
///
/// Letters: B batch, T queries, S keys, H heads, D head_dim, E value dim, C chunk.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/kernels/attention_types.h"
#include "core/kernels/gemm.h"
#include "core/memory.h"
#include "core/shape.h"

namespace cosformer::detail {

/// A strided matrix: row i starts at data + i · stride, its elements follow one another.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;

  T* operator[](std::int64_t row) const { return data + row * stride; }
  Rows from(std::int64_t row, std::int64_t column = 0) const { return {data + row * stride + column, stride}; }
  operator Rows<const T>() const { return {data, stride}; }
};

/// Rows of head h of item b.
template <class T>
Rows<T> rows_of(const Heads<T>& heads, std::int64_t b, std::int64_t h) {
  return {heads.rows(b, h), heads.seq_stride};
}

/// The keys' mask of item b, or null.
inline const std::uint8_t* mask_of(const AttentionVisibility& visibility, const AttentionSizes& sizes, std::int64_t b) {
  return visibility.key_mask == nullptr ? nullptr : visibility.key_mask + b * sizes.keys;
}

/// A matrix of scratch memory. Its rows are an odd number of cache lines apart, so that a column of a tile does not fall
/// into few sets of the cache.
template <class T>
class Scratch {
 public:
  Scratch(std::int64_t rows, std::int64_t columns) : stride_(padded(columns)) {
    const std::int64_t elements = checked_multiply(checked_multiply(rows, stride_), static_cast<std::int64_t>(sizeof(T)));
    block_ = allocate_block(static_cast<std::size_t>(elements));
    data_ = reinterpret_cast<T*>(block_.get());
    rows_ = rows;
  }

  Rows<T> rows() const { return {data_, stride_}; }
  Rows<T> from(std::int64_t row, std::int64_t column = 0) const { return rows().from(row, column); }
  T* operator[](std::int64_t row) const { return data_ + row * stride_; }
  T* data() const { return data_; }
  void fill_zero() {
    for (std::int64_t i = 0; i < rows_ * stride_; ++i) data_[i] = 0;
  }

 private:
  static std::int64_t padded(std::int64_t columns) {
    constexpr std::int64_t kLine = static_cast<std::int64_t>(kBlockAlignment / sizeof(T));
    return ((columns + kLine - 1) / kLine | 1) * kLine;
  }

  std::shared_ptr<std::byte> block_;
  T* data_ = nullptr;
  std::int64_t stride_ = 0;
  std::int64_t rows_ = 0;
};

/// target = source, row by row; a row whose mask is 0 becomes 0 whatever `source` holds there.
template <class T>
void copy_rows(std::int64_t count, std::int64_t width, Rows<const T> source, const std::uint8_t* mask, Rows<T> target) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T* from = source[i];
    T* to = target[i];
    if (mask != nullptr && mask[i] == 0) {
      for (std::int64_t x = 0; x < width; ++x) to[x] = 0;
    } else {
      for (std::int64_t x = 0; x < width; ++x) to[x] = from[x];
    }
  }
}

template <class T>
void zero_rows(std::int64_t count, std::int64_t width, Rows<T> target) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t x = 0; x < width; ++x) target[i][x] = 0;
  }
}

/// C (m×n) = op(A) · op(B), added to C where `accumulate`. On the calling thread, inside a loop of `parallel_for`.
template <class T>
void multiply(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, Rows<const T> a,
              Rows<const T> b, bool accumulate, Rows<T> c) {
  gemm_serial<T>(transpose_a, transpose_b, m, n, k, T{1}, a.data, a.stride, b.data, b.stride, accumulate ? T{1} : T{0},
                 c.data, c.stride);
}

}  // namespace cosformer::detail
