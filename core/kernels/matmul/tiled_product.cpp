#include "core/kernels/matmul/tiled_product.h"

#include <algorithm>
#include <optional>

#include "core/kernels/matmul/packed_matrix.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

namespace {

// The part of A that is multiplied at once, 384 KiB, stays in the second-level cache beside the panel of B that it meets.
constexpr std::int64_t kMostRows = 192;
constexpr std::int64_t kMostColumns = 512;
/// Most of the inner dimension that is multiplied at once: few passes over C gain more than panels that fit the first level.
constexpr std::int64_t kMostDepth = 512;
/// Up to this many rows, B is packed panel by panel where it is used; beyond, once for all tiles of rows.
constexpr std::int64_t kFewRows = 512;
/// The same if there are more rows, and of a transposed A, of which each step takes part of another cache line.
constexpr std::int64_t kLeastDepth = 256;
/// Matrices whose rows are longer are copied: the lines of a column of tiles would share few sets of the cache. A transposed
/// A is turned from this length on, so that a block's steps read along its rows.
constexpr std::int64_t kMostStride = 256;

std::int64_t pieces(std::int64_t size, std::int64_t piece) { return (size + piece - 1) / piece; }

/// The size of equal pieces of [0, size), a multiple of `unit`, of at most about `most`.
std::int64_t even_piece(std::int64_t size, std::int64_t most, std::int64_t unit) {
  return std::max(pieces(pieces(size, std::max<std::int64_t>(pieces(size, most), 1)), unit), std::int64_t{1}) * unit;
}

/// How a product is cut: tiles of C, each the sum over ranges of the inner dimension.
struct Tiling {
  std::int64_t rows, columns, range;
};

/// By the shape alone. Enough pieces for a dozen threads, as long as each is worth the start.
Tiling choose_tiling(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t most_rows) {
  constexpr std::int64_t kPieces = 12;
  constexpr std::int64_t kLeastRange = 1024;                  // a range writes and adds a C of its own
  constexpr std::int64_t kLeastWork = std::int64_t{1} << 20;  // multiplications
  const ProductBlock block = product_block<float>();
  k = std::max<std::int64_t>(k, 1);
  Tiling tiling{even_piece(m, most_rows, block.rows), even_piece(n, kMostColumns, block.columns), k};
  const auto count = [&] { return pieces(m, tiling.rows) * pieces(n, tiling.columns) * pieces(k, tiling.range); };
  const auto work = [&] { return tiling.rows * tiling.columns * tiling.range; };
  if (count() < kPieces) {
    const std::int64_t ranges = std::min({pieces(kPieces, count()), k / kLeastRange, work() / kLeastWork});
    if (ranges > 1) tiling.range = pieces(pieces(k, ranges), kMostDepth) * kMostDepth;
  }
  // Narrower tiles pack no more of B, lower ones do.
  while (count() < kPieces && work() >= 2 * kLeastWork && tiling.columns >= 2 * block.columns) {
    tiling.columns = even_piece(tiling.columns, tiling.columns / 2, block.columns);
  }
  while (count() < kPieces && work() >= 2 * kLeastWork && tiling.rows >= 8 * block.rows) {
    tiling.rows = even_piece(tiling.rows, tiling.rows / 2, block.rows);
  }
  return tiling;
}

/// One product, cut and with its factors where the tiles find them.
class Product {
 public:
  Product(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          MatrixView<const float> a, MatrixView<const float> b, bool accumulate, MatrixView<float> c, const float* row)
      : transposes_a_(transpose_a == Transpose::yes),
        transposes_b_(transpose_b == Transpose::yes),
        copies_a_(transposes_a_ && a.stride >= kMostStride),
        copies_b_(transposes_b_ || b.stride > kMostStride),
        accumulate_(accumulate),
        m_(m),
        n_(n),
        k_(k),
        tiling_(choose_tiling(m, n, k, copies_b_ && m <= kFewRows ? kFewRows : kMostRows)),
        column_tiles_(pieces(n, tiling_.columns)),
        ranges_(std::max<std::int64_t>(pieces(k, tiling_.range), 1)),
        a_(a),
        b_(b),
        c_(c),
        row_(row) {
    if (copies_b_ && m > kFewRows) {
      packed_b_.emplace(transposes_b_ ? PackedMatrix<float>::of_transpose(k, n, b) : PackedMatrix<float>::of(k, n, b));
      copies_b_ = false;
    }
    // The first range goes to C itself, the others to C's of their own, added in order at the end.
    if (ranges_ > 1) partial_.emplace((ranges_ - 1) * m, n);
  }

  void run() const {
    parallel_ranges(pieces(m_, tiling_.rows) * column_tiles_ * ranges_, 1,
                    [&](std::int64_t piece, std::int64_t) { compute(piece); });
    if (ranges_ == 1) return;
    parallel_ranges(m_, kElementwiseGrain / n_ + 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        for (std::int64_t range = 1; range < ranges_; ++range) loops<float>().add_scaled(1.0F, partial(range)[i], c_[i], n_);
      }
    });
  }

 private:
  MatrixView<float> partial(std::int64_t range) const { return partial_->from((range - 1) * m_); }

  void compute(std::int64_t piece) const {
    const std::int64_t range = piece % ranges_, tile = piece / ranges_;
    const std::int64_t first = tile / column_tiles_ * tiling_.rows, rows = std::min(tiling_.rows, m_ - first);
    const std::int64_t left = tile % column_tiles_ * tiling_.columns, right = std::min(left + tiling_.columns, n_);
    const std::int64_t begin = range * tiling_.range, end = std::min(begin + tiling_.range, k_);
    const std::int64_t depth = even_piece(end - begin, transposes_a_ || rows > kMostRows ? kLeastDepth : kMostDepth, 1);
    const std::int64_t width = product_block<float>().columns;
    const MatrixView<float> target = (range == 0 ? c_ : partial(range)).from(first);
    const ScratchMatrix<float> copied_a(copies_a_ ? rows : 0, depth), copied_b(copies_b_ ? depth : 0, width);
    // Once even if the inner dimension is 0, for C has to be written.
    std::int64_t p = begin;
    do {
      const std::int64_t count = std::min(depth, end - p);
      Factor<float> factor = transposes_a_ ? Factor<float>::transposed(a_.from(p, first)) : a_.from(first, p);
      if (copies_a_) {
        transpose<float>(count, rows, a_.from(p, first), copied_a.view());
        factor = copied_a.view();
      }
      for (std::int64_t column = left; column < right; column += width) {
        const std::int64_t columns = std::min(width, right - column);
        const MatrixView<const float> panel = packed_b_   ? packed_b_->panel(column, p)
                                              : copies_b_ ? MatrixView<const float>(copied_b.view())
                                                          : b_.from(p, column);
        if (copies_b_ && transposes_b_) {
          transpose<float>(columns, count, b_.from(column, p), copied_b.view());
        } else if (copies_b_) {
          copy_rows<float>(count, columns, b_.from(p, column), nullptr, copied_b.view());
        }
        simd::TileProduct product{rows,          columns,    count,        factor.data,          factor.row,
                                  factor.column, panel.data, panel.stride, target.data + column, target.stride};
        product.accumulate = p > begin || (range == 0 && accumulate_);
        if (!product.accumulate && range == 0 && row_ != nullptr) product.row = row_ + column;
        // The next panel arrives meanwhile; the first rows that meet it would wait for each of its lines.
        simd::UpcomingRows upcoming;
        if (packed_b_ && column + width < right) expect_rows(upcoming, count, width, packed_b_->panel(column + width, p));
        product.upcoming = &upcoming;
        simd::tile_loops().product(product);
      }
      p += depth;
    } while (p < end);
  }

  bool transposes_a_, transposes_b_, copies_a_, copies_b_, accumulate_;
  std::int64_t m_, n_, k_;
  Tiling tiling_;
  std::int64_t column_tiles_, ranges_;
  MatrixView<const float> a_, b_;
  MatrixView<float> c_;
  const float* row_;
  std::optional<PackedMatrix<float>> packed_b_;
  std::optional<ScratchMatrix<float>> partial_;
};

}  // namespace

void tiled_product(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                   MatrixView<const float> a, MatrixView<const float> b, bool accumulate, MatrixView<float> c,
                   const float* row) {
  if (m <= 0 || n <= 0) return;
  Product(transpose_a, transpose_b, m, n, k, a, b, accumulate, c, row).run();
}

}  // namespace cosformer::detail
