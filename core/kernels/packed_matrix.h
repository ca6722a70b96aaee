#pragma once
/// \file
/// The right factor of a product, copied once into panels of columns that a tile reads line by line.

#include <algorithm>

#include "core/kernels/tiles.h"

namespace cosformer::detail {

/// Wᵀ (k × n) of a weight W (n × k), in panels of `kPanelColumns` columns. Internal to kernels that multiply many tiles of
/// rows by one weight.
template <class T>
class PackedTranspose {
 public:
  static constexpr std::int64_t kPanelColumns = 64;

  /// `weight` is row-major without gaps.
  PackedTranspose(std::int64_t n, std::int64_t k, const T* weight)
      : n_(n), k_(k), panels_((n + kPanelColumns - 1) / kPanelColumns * k, kPanelColumns) {
    for (std::int64_t column = 0; column < n; column += kPanelColumns) {
      transpose<T>(std::min(kPanelColumns, n - column), k, {weight + column * k, k},
                   panels_.from(column / kPanelColumns * k));
    }
  }

  /// C (m × n) = A · Wᵀ + `row` in every row; a null `row` is a row of zeros.
  void multiply(std::int64_t m, Rows<const T> a, const T* row, Rows<T> c) const {
    for (std::int64_t column = 0; column < n_; column += kPanelColumns) {
      multiply_add_row<T>(m, std::min(kPanelColumns, n_ - column), k_, a, panels_.from(column / kPanelColumns * k_),
                          row ? row + column : nullptr, c.from(0, column));
    }
  }
  /// C += A · Wᵀ.
  void multiply_accumulate(std::int64_t m, Rows<const T> a, Rows<T> c) const {
    for (std::int64_t column = 0; column < n_; column += kPanelColumns) {
      detail::multiply<T>(m, std::min(kPanelColumns, n_ - column), k_, a, panels_.from(column / kPanelColumns * k_), true,
                          c.from(0, column));
    }
  }

 private:
  std::int64_t n_, k_;
  Scratch<T> panels_;
};

}  // namespace cosformer::detail
