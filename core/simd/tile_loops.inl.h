#pragma once
/// \file
/// The loops of tile_loops.h, written once on vectors of `kLanes` numbers (GCC's and Clang's vector extension).
///
/// Included at the end of each instruction set's file, after that file has defined, in an anonymous namespace: kLanes,
/// Floats, load_partial, store_partial (the first n ≤ kLanes elements; others read as 0), kBlockRows and kBlockVectors.

#include "core/simd/transpose.inl.h"
#include "core/simd/vectors.inl.h"

namespace {

using cosformer::simd::Band;
using cosformer::simd::TileProduct;

/// Calls visit(j, load, store) for each vector of a row, with loads and stores that end where the row ends.
template <class Visit>
COSFORMER_INLINE void for_each_vector(int64_t n, Visit visit) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) visit(j, load, store);
  if (j < n) {
    const int64_t rest = n - j;
    visit(
        j, [rest](const float* p) { return load_partial(p, rest); },
        [rest](float* p, Floats v) { store_partial(p, v, rest); });
  }
}

/// How many rows of B before its end a block asks for its part of C.
constexpr int64_t kRowsAhead = 32;

/// kRows × (kVectors · kLanes) elements of C, held in registers while p runs; of the last vector `rest` elements if
/// kPartial.
template <int kRows, int kVectors, bool kPartial>
void product_block(const TileProduct& t, int64_t i, int64_t j, int64_t p_begin, int64_t p_end, int64_t rest) {
  const auto read = [rest](const float* row, int vector) __attribute__((always_inline)) {
    return kPartial && vector == kVectors - 1 ? load_partial(row + vector * kLanes, rest) : load(row + vector * kLanes);
  };
  Floats sums[kRows][kVectors] = {};
  if (t.row != nullptr) {
    for (int v = 0; v < kVectors; ++v) {
      for (int r = 0; r < kRows; ++r) sums[r][v] = read(t.row + j, v);
    }
  }
  const float* a = t.a + i * t.a_row + p_begin * t.a_column;
  const float* b = t.b + p_begin * t.b_row + j;
  float* c = t.c + i * t.c_row + j;
  // The lines of C arrive while the last rows of B are multiplied; earlier, B would push them out of the cache again.
  for (int64_t p = p_begin, stop = p_end - p_begin > kRowsAhead ? p_end - kRowsAhead : p_begin; p < p_end; stop = p_end) {
    for (; p < stop; ++p) {
      Floats columns[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) columns[v] = read(b, v);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Floats factor = splat(a[r * t.a_row]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sums[r][v] += factor * columns[v];
      }
      a += t.a_column;
      b += t.b_row;
    }
    if (p == p_end) break;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) __builtin_prefetch(c + r * t.c_row + v * kLanes, 1);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r, c += t.c_row) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Floats sum = t.accumulate ? read(c, v) + sums[r][v] : sums[r][v];
      if (kPartial && v == kVectors - 1) {
        store_partial(c + v * kLanes, sum, rest);
      } else {
        store(c + v * kLanes, sum);
      }
    }
  }
}

using ProductBlock = void (*)(const TileProduct&, int64_t, int64_t, int64_t, int64_t, int64_t);

struct ProductBlocks {
  ProductBlock whole[kBlockRows][kBlockVectors], partial[kBlockRows][kBlockVectors];
};

template <int kRows, int kVectors>
constexpr void fill_blocks(ProductBlocks& blocks) {
  blocks.whole[kRows - 1][kVectors - 1] = product_block<kRows, kVectors, false>;
  blocks.partial[kRows - 1][kVectors - 1] = product_block<kRows, kVectors, true>;
  if constexpr (kVectors > 1) fill_blocks<kRows, kVectors - 1>(blocks);
  if constexpr (kVectors == kBlockVectors && kRows > 1) fill_blocks<kRows - 1, kVectors>(blocks);
}

constexpr ProductBlocks make_blocks() {
  ProductBlocks blocks{};
  fill_blocks<kBlockRows, kBlockVectors>(blocks);
  return blocks;
}

constexpr ProductBlocks kBlocks = make_blocks();

/// Fetches the next rows into the second-level cache.
void fetch(cosformer::simd::UpcomingRows& upcoming) {
  constexpr int64_t kLineBytes = 64;
  constexpr int64_t kLines = 48;  // 24 are as fast on Zen 4, 12 too few to be in time
  for (int64_t lines = 0; lines < kLines && upcoming.part < upcoming.count;) {
    const auto& part = upcoming.parts[upcoming.part];
    const char* row = part.data + upcoming.row * part.stride_bytes;
    for (int64_t byte = 0; byte < part.row_bytes; byte += kLineBytes, ++lines) __builtin_prefetch(row + byte, 0, 2);
    if (++upcoming.row >= part.rows) {
      upcoming.row = 0;
      ++upcoming.part;
    }
  }
}

void product(const TileProduct& t) {
  constexpr int64_t kWidth = kBlockVectors * kLanes;
  for (int64_t column = 0; column < t.n; column += kWidth) {
    for (int64_t i = 0; i < t.m; i += kBlockRows) {
      const int64_t rows = smaller(kBlockRows, t.m - i);
      int64_t j = column, end = smaller(column + kWidth, t.n), p_begin = 0, p_end = t.k;
      switch (t.band) {
        case Band::whole:
          break;
        case Band::lower_columns:
          end = smaller(end, i + rows);
          break;
        case Band::upper_columns:
          j = i > j ? j + (i - j) / kLanes * kLanes : j;
          break;
        case Band::lower_inner:
          p_end = smaller(p_end, t.fixed + i + rows);
          break;
        case Band::upper_inner:
          p_begin = smaller(i, p_end);
          break;
      }
      if (j >= end) continue;
      if (t.upcoming != nullptr) fetch(*t.upcoming);
      const int64_t vectors = (end - j + kLanes - 1) / kLanes, rest = end - j - (vectors - 1) * kLanes;
      const ProductBlock block = (rest == kLanes ? kBlocks.whole : kBlocks.partial)[rows - 1][vectors - 1];
      block(t, i, j, p_begin, p_end, rest);
    }
  }
}

void leaky(float slope, int64_t rows, int64_t columns, const float* x, int64_t x_row, float* y, int64_t y_row) {
  for (int64_t i = 0; i < rows; ++i, x += x_row, y += y_row) {
    for_each_vector(
        columns, [&](int64_t j, auto read, auto write) __attribute__((always_inline)) {
          const Floats v = read(x + j);
          const Floats low = slope == 0.0F ? Floats{} : v * slope;
          write(y + j, v < 0.0F ? low : v);
        });
  }
}

void leaky_gradient(float slope, int64_t rows, int64_t columns, const float* x, int64_t x_row, const float* dy,
                    int64_t dy_row, float* dx, int64_t dx_row) {
  for (int64_t i = 0; i < rows; ++i, x += x_row, dy += dy_row, dx += dx_row) {
    for_each_vector(
        columns, [&](int64_t j, auto read, auto write) __attribute__((always_inline)) {
          const Floats factor = read(x + j) > 0.0F ? splat(1.0F) : splat(slope);
          write(dx + j, factor * read(dy + j));
        });
  }
}

void scale_rows(int64_t rows, int64_t columns, const float* factors, const float* x, int64_t x_row, float* y,
                int64_t y_row) {
  for (int64_t i = 0; i < rows; ++i, x += x_row, y += y_row) {
    const float factor = factors[i];
    for_each_vector(
        columns, [&](int64_t j, auto read, auto write)
                     __attribute__((always_inline)) { write(y + j, read(x + j) * factor); });
  }
}

template <class Combine>
COSFORMER_INLINE void combine_rows(int64_t rows, int64_t columns, const float* x, int64_t x_row, const float* y,
                                   int64_t y_row, float* z, int64_t z_row, Combine combine) {
  for (int64_t i = 0; i < rows; ++i, x += x_row, y += y_row, z += z_row) {
    for_each_vector(
        columns, [&](int64_t j, auto read, auto write)
                     __attribute__((always_inline)) { write(z + j, combine(read(x + j), read(y + j))); });
  }
}

void sum_rows(int64_t rows, int64_t columns, const float* x, int64_t x_row, const float* y, int64_t y_row, float* z,
              int64_t z_row) {
  combine_rows(
      rows, columns, x, x_row, y, y_row, z, z_row, [](Floats a, Floats b) __attribute__((always_inline)) { return a + b; });
}

void multiply_rows(int64_t rows, int64_t columns, const float* x, int64_t x_row, const float* y, int64_t y_row, float* z,
                   int64_t z_row) {
  combine_rows(
      rows, columns, x, x_row, y, y_row, z, z_row, [](Floats a, Floats b) __attribute__((always_inline)) { return a * b; });
}

void weigh_diagonals(int64_t rows, int64_t columns, const float* weights, float* x, int64_t x_row) {
  for (int64_t i = 0; i < rows; ++i, x += x_row, --weights) {
    for_each_vector(
        columns, [&](int64_t j, auto read, auto write) __attribute__((always_inline)) {
          const Floats weight = read(weights + j);
          write(x + j, weight == 0.0F ? Floats{} : read(x + j) * weight);
        });
  }
}

void row_dots(int64_t rows, int64_t columns, const float* x, int64_t x_row, const float* y, int64_t y_row, float* results) {
  for (int64_t i = 0; i < rows; ++i, x += x_row, y += y_row) {
    Floats sum = {};
    for_each_vector(
        columns, [&](int64_t j, auto read, auto) __attribute__((always_inline)) { sum += read(x + j) * read(y + j); });
    results[i] = add_lanes(sum);
  }
}

void add_rows(int64_t rows, int64_t columns, const float* x, int64_t x_row, float* y) {
  for_each_vector(
      columns, [&](int64_t j, auto read, auto write) __attribute__((always_inline)) {
        Floats sum = {};
        for (int64_t i = 0; i < rows; ++i) sum += read(x + i * x_row + j);
        write(y + j, read(y + j) + sum);
      });
}

/// As many chains as hide the latency of a multiply-add (4 to 5 cycles, two a cycle) and leave registers free.
int64_t multiply_adds(int64_t rounds) {
  constexpr int kChains = 12;
  const Floats factor = splat(0.999F), addend = splat(0.001F);
  Floats chains[kChains];
  // Values of their own: equal chains would be computed once.
#pragma GCC unroll 16
  for (int j = 0; j < kChains; ++j) chains[j] = splat(0.01F * static_cast<float>(j));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kChains; ++j) chains[j] = chains[j] * factor + addend;
  }
  Floats sum = chains[0];
#pragma GCC unroll 16
  for (int j = 1; j < kChains; ++j) sum += chains[j];
  volatile float used = add_lanes(sum);
  static_cast<void>(used);
  return 2 * kLanes * kChains * rounds;
}

constexpr cosformer::simd::TileLoops kTileLoops = {
    .block_rows = kBlockRows,
    .block_columns = kBlockVectors * kLanes,
    .product = product,
    .transpose = transpose,
    .leaky = leaky,
    .leaky_gradient = leaky_gradient,
    .scale_rows = scale_rows,
    .sum_rows = sum_rows,
    .multiply_rows = multiply_rows,
    .weigh_diagonals = weigh_diagonals,
    .row_dots = row_dots,
    .add_rows = add_rows,
    .multiply_adds = multiply_adds,
};

#undef COSFORMER_INLINE

}  // namespace
