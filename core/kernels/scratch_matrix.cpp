#include "core/kernels/scratch_matrix.h"

#include <algorithm>

#include "core/kernels/matmul/gemm.h"

namespace cosformer::detail {

// Float tiles go through the loops of the instruction set; double ones serve gradient checks.

namespace {

simd::TileProduct tile_product(std::int64_t m, std::int64_t n, std::int64_t k, Factor<float> a, MatrixView<const float> b,
                               MatrixView<float> c) {
  return {.m = m,
          .n = n,
          .k = k,
          .a = a.data,
          .a_row = a.row,
          .a_column = a.column,
          .b = b.data,
          .b_row = b.stride,
          .c = c.data,
          .c_row = c.stride};
}

}  // namespace

template <>
ProductBlock product_block<float>() {
  return {simd::tile_loops().block_rows, simd::tile_loops().block_columns};
}

template <>
ProductBlock product_block<double>() {
  return {8, 64};
}

template <>
void multiply<float>(std::int64_t m, std::int64_t n, std::int64_t k, Factor<float> a, MatrixView<const float> b,
                     bool accumulate, MatrixView<float> c, ProductPart part) {
  simd::TileProduct product = tile_product(m, n, k, a, b, c);
  product.accumulate = accumulate;
  product.band = part.band;
  product.fixed = part.fixed;
  product.upcoming = part.upcoming;
  simd::tile_loops().product(product);
}

template <>
void multiply<double>(std::int64_t m, std::int64_t n, std::int64_t k, Factor<double> a, MatrixView<const double> b,
                      bool accumulate, MatrixView<double> c, ProductPart) {
  const bool transposed = a.column != 1 || (a.row == 1 && k > 1);
  gemm_serial<double>(transposed ? Transpose::yes : Transpose::no, Transpose::no, m, n, k, a.data,
                      transposed ? a.column : a.row, b.data, b.stride, accumulate, c.data, c.stride);
}

template <>
void multiply_add_row<float>(std::int64_t m, std::int64_t n, std::int64_t k, Factor<float> a, MatrixView<const float> b,
                             const float* row, MatrixView<float> c) {
  simd::TileProduct product = tile_product(m, n, k, a, b, c);
  product.row = row;
  simd::tile_loops().product(product);
}

template <>
void multiply_add_row<double>(std::int64_t m, std::int64_t n, std::int64_t k, Factor<double> a, MatrixView<const double> b,
                              const double* row, MatrixView<double> c) {
  for (std::int64_t i = 0; row != nullptr && i < m; ++i) std::copy_n(row, n, c[i]);
  multiply(m, n, k, a, b, row != nullptr, c);
}

template <>
void transpose<float>(std::int64_t rows, std::int64_t columns, MatrixView<const float> source, MatrixView<float> target) {
  simd::tile_loops().transpose(rows, columns, source.data, source.stride, target.data, target.stride);
}

template <>
void transpose<double>(std::int64_t rows, std::int64_t columns, MatrixView<const double> source, MatrixView<double> target) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) target[j][i] = source[i][j];
  }
}

template <>
void scale_rows<float>(std::int64_t rows, std::int64_t columns, const float* factors, MatrixView<const float> source,
                       MatrixView<float> target) {
  simd::tile_loops().scale_rows(rows, columns, factors, source.data, source.stride, target.data, target.stride);
}

template <>
void scale_rows<double>(std::int64_t rows, std::int64_t columns, const double* factors, MatrixView<const double> source,
                        MatrixView<double> target) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) target[i][j] = factors[i] * source[i][j];
  }
}

template <>
void sum_rows<float>(std::int64_t rows, std::int64_t columns, MatrixView<const float> x, MatrixView<const float> y,
                     MatrixView<float> target) {
  simd::tile_loops().sum_rows(rows, columns, x.data, x.stride, y.data, y.stride, target.data, target.stride);
}

template <>
void sum_rows<double>(std::int64_t rows, std::int64_t columns, MatrixView<const double> x, MatrixView<const double> y,
                      MatrixView<double> target) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) target[i][j] = x[i][j] + y[i][j];
  }
}

template <>
void multiply_rows<float>(std::int64_t rows, std::int64_t columns, MatrixView<const float> x, MatrixView<const float> y,
                          MatrixView<float> target) {
  simd::tile_loops().multiply_rows(rows, columns, x.data, x.stride, y.data, y.stride, target.data, target.stride);
}

template <>
void multiply_rows<double>(std::int64_t rows, std::int64_t columns, MatrixView<const double> x, MatrixView<const double> y,
                           MatrixView<double> target) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) target[i][j] = x[i][j] * y[i][j];
  }
}

template <>
void weigh_diagonals<float>(std::int64_t rows, std::int64_t columns, const float* weights, MatrixView<float> x) {
  simd::tile_loops().weigh_diagonals(rows, columns, weights, x.data, x.stride);
}

template <>
void weigh_diagonals<double>(std::int64_t rows, std::int64_t columns, const double* weights, MatrixView<double> x) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) x[i][j] = weights[j - i] == 0 ? 0 : x[i][j] * weights[j - i];
  }
}

template <>
void row_dots<float>(std::int64_t rows, std::int64_t columns, MatrixView<const float> x, MatrixView<const float> y,
                     float* results) {
  simd::tile_loops().row_dots(rows, columns, x.data, x.stride, y.data, y.stride, results);
}

template <>
void row_dots<double>(std::int64_t rows, std::int64_t columns, MatrixView<const double> x, MatrixView<const double> y,
                      double* results) {
  for (std::int64_t i = 0; i < rows; ++i) {
    results[i] = 0;
    for (std::int64_t j = 0; j < columns; ++j) results[i] += x[i][j] * y[i][j];
  }
}

template <>
void add_rows<float>(std::int64_t rows, std::int64_t columns, MatrixView<const float> x, float* y) {
  simd::tile_loops().add_rows(rows, columns, x.data, x.stride, y);
}

template <>
void add_rows<double>(std::int64_t rows, std::int64_t columns, MatrixView<const double> x, double* y) {
  for (std::int64_t j = 0; j < columns; ++j) {
    double sum = 0;
    for (std::int64_t i = 0; i < rows; ++i) sum += x[i][j];
    y[j] += sum;
  }
}

}  // namespace cosformer::detail
