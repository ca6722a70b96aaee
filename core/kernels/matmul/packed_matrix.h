#pragma once
/// \file
/// The right factor of products, copied once into panels of columns that a tile reads line by line.

#include <algorithm>

#include "core/kernels/scratch_matrix.h"
#include "core/parallel.h"

namespace cosformer::detail {

/// B (k × n) in panels of as many columns as a product's block holds: row p of a panel follows row p - 1 without a gap.
/// Internal to kernels that multiply many tiles of rows by one matrix. Packs on all threads (on one inside a loop of
/// `parallel_for`).
template <class T>
class PackedMatrix {
 public:
  /// B itself.
  static PackedMatrix of(std::int64_t k, std::int64_t n, MatrixView<const T> matrix) {
    return PackedMatrix(
        k, n, [&](std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns, MatrixView<T> to) {
          copy_rows<T>(rows, columns, matrix.from(row, column), nullptr, to);
        });
  }
  /// Wᵀ of a weight W (n × k).
  static PackedMatrix of_transpose(std::int64_t k, std::int64_t n, MatrixView<const T> weight) {
    return PackedMatrix(
        k, n, [&](std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns, MatrixView<T> to) {
          transpose<T>(columns, rows, weight.from(column, row), to);
        });
  }

  /// Columns of every panel but the last.
  std::int64_t panel_columns() const { return width_; }
  /// The panel that begins with `column`, a multiple of `panel_columns()`, from its row `row` on.
  MatrixView<const T> panel(std::int64_t column, std::int64_t row = 0) const {
    return {panels_.data() + column * k_ + row * width_, width_};
  }

  /// C (m × n) = A·B + `row` in every row; a null `row` is a row of zeros.
  void multiply(std::int64_t m, MatrixView<const T> a, const T* row, MatrixView<T> c) const {
    for (std::int64_t column = 0; column < n_; column += width_) {
      multiply_add_row<T>(m, std::min(width_, n_ - column), k_, a, panel(column), row ? row + column : nullptr,
                          c.from(0, column));
    }
  }

 private:
  template <class CopyBlock>
  PackedMatrix(std::int64_t k, std::int64_t n, CopyBlock&& copy_block)
      : n_(n), k_(k), width_(product_block<T>().columns), panels_(1, (n + width_ - 1) / width_ * width_ * k) {
    // A piece is long enough to be worth it and short enough for the first-level cache.
    constexpr std::int64_t kRows = 128;
    const std::int64_t pieces = (k + kRows - 1) / kRows;
    const auto pack = [&](std::int64_t piece) {
      const std::int64_t row = piece % pieces * kRows, column = piece / pieces * width_;
      copy_block(row, std::min(kRows, k - row), column, std::min(width_, n - column),
                 MatrixView<T>{panels_.data() + column * k + row * width_, width_});
    };
    parallel_ranges(pieces * ((n + width_ - 1) / width_), kElementwiseGrain / (kRows * width_) + 1,
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t piece = begin; piece < end; ++piece) pack(piece);
                    });
  }

  std::int64_t n_, k_, width_;
  ScratchMatrix<T> panels_;
};

}  // namespace cosformer::detail
