#pragma once
/// \file
/// What kernels that work in tiles share inside: scratch matrices, rows, and products of one tile.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "core/memory.h"
#include "core/shape.h"
#include "core/simd/tile_loops.h"

namespace cosformer::detail {

/// A strided matrix: row i starts at data + i · stride, its elements follow one another.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t stride = 0;

  T* operator[](std::int64_t row) const { return data + row * stride; }
  MatrixView from(std::int64_t row, std::int64_t column = 0) const { return {data + row * stride + column, stride}; }
  operator MatrixView<const T>() const { return {data, stride}; }
};

/// A matrix of scratch memory. Its rows are an odd number of cache lines apart, so that a column of a tile does not fall
/// into few sets of the cache.
template <class T>
class ScratchMatrix {
 public:
  ScratchMatrix(std::int64_t rows, std::int64_t columns) : stride_(padded(columns)) {
    const std::int64_t elements = checked_multiply(checked_multiply(rows, stride_), static_cast<std::int64_t>(sizeof(T)));
    block_ = allocate_block(static_cast<std::size_t>(elements));
    data_ = reinterpret_cast<T*>(block_.get());
    rows_ = rows;
  }

  MatrixView<T> view() const { return {data_, stride_}; }
  MatrixView<T> from(std::int64_t row, std::int64_t column = 0) const { return view().from(row, column); }
  T* operator[](std::int64_t row) const { return data_ + row * stride_; }
  T* data() const { return data_; }
  void fill_zero() { std::memset(data_, 0, static_cast<std::size_t>(rows_ * stride_) * sizeof(T)); }

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
void copy_rows(std::int64_t count, std::int64_t width, MatrixView<const T> source, const std::uint8_t* mask,
               MatrixView<T> target) {
  const auto bytes = static_cast<std::size_t>(width) * sizeof(T);
  for (std::int64_t i = 0; i < count; ++i) {
    if (mask != nullptr && mask[i] == 0) {
      std::memset(target[i], 0, bytes);
    } else if (source[i] != target[i]) {
      std::memcpy(target[i], source[i], bytes);
    }
  }
}

template <class T>
void zero_rows(std::int64_t count, std::int64_t width, MatrixView<T> target) {
  for (std::int64_t i = 0; i < count; ++i) std::memset(target[i], 0, static_cast<std::size_t>(width) * sizeof(T));
}

/// The rows and columns of C that a product computes at once.
struct ProductBlock {
  std::int64_t rows, columns;
};
template <class T>
ProductBlock product_block();

/// The left factor of a product: element (i, p) is data[i · row + p · column].
template <class T>
struct Factor {
  const T* data = nullptr;
  std::int64_t row = 0;
  std::int64_t column = 1;

  Factor(MatrixView<const T> rows) : data(rows.data), row(rows.stride) {}
  Factor(MatrixView<T> rows) : data(rows.data), row(rows.stride) {}
  static Factor transposed(MatrixView<const T> rows) {
    Factor factor(rows);
    std::swap(factor.row, factor.column);
    return factor;
  }
};

/// What a product may leave out; see simd::Band.
struct ProductPart {
  simd::Band band = simd::Band::whole;
  std::int64_t fixed = 0;
  simd::UpcomingRows* upcoming = nullptr;  ///< what to fetch meanwhile
};

/// Adds rows to those that products fetch.
template <class T>
void expect_rows(simd::UpcomingRows& upcoming, std::int64_t rows, std::int64_t width, MatrixView<T> source) {
  assert(upcoming.count < simd::UpcomingRows::kMostParts);
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  upcoming.parts[upcoming.count++] = {reinterpret_cast<const char*>(source.data), rows, width * kSize,
                                      source.stride * kSize};
}

/// C (m×n) = A·B, added to C if `accumulate`. On the calling thread, inside a loop of `parallel_for`. Where `part` says
/// that elements of A are 0 they must be 0.
template <class T>
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Factor<T> a, MatrixView<const T> b, bool accumulate,
              MatrixView<T> c, ProductPart part = {});

/// C (m×n) = A·B + `row` in every row; a null `row` is a row of zeros.
template <class T>
void multiply_add_row(std::int64_t m, std::int64_t n, std::int64_t k, Factor<T> a, MatrixView<const T> b, const T* row,
                      MatrixView<T> c);

/// target (columns × rows) = source (rows × columns) transposed.
template <class T>
void transpose(std::int64_t rows, std::int64_t columns, MatrixView<const T> source, MatrixView<T> target);

/// target row i = factors_i · source row i. target may be source.
template <class T>
void scale_rows(std::int64_t rows, std::int64_t columns, const T* factors, MatrixView<const T> source, MatrixView<T> target);

/// target = x + y, element by element. target may be x or y.
template <class T>
void sum_rows(std::int64_t rows, std::int64_t columns, MatrixView<const T> x, MatrixView<const T> y, MatrixView<T> target);

/// target = x · y, element by element. target may be x or y.
template <class T>
void multiply_rows(std::int64_t rows, std::int64_t columns, MatrixView<const T> x, MatrixView<const T> y,
                   MatrixView<T> target);

/// x_ij *= weights[j - i]; exactly 0 where the weight is 0, whatever x holds.
template <class T>
void weigh_diagonals(std::int64_t rows, std::int64_t columns, const T* weights, MatrixView<T> x);

/// results_i = Σ_j x_ij y_ij; a stride of 0 takes one row y for all.
template <class T>
void row_dots(std::int64_t rows, std::int64_t columns, MatrixView<const T> x, MatrixView<const T> y, T* results);

/// y_j += Σ_i x_ij.
template <class T>
void add_rows(std::int64_t rows, std::int64_t columns, MatrixView<const T> x, T* y);

}  // namespace cosformer::detail
