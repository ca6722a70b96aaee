#pragma once
/// \file
/// The transposition of tile_loops.h, on vectors of `kLanes` numbers. Included by tile_loops.inl.h.

#include "core/simd/vectors.inl.h"

namespace {

template <int... kLane>
struct LaneList {};
template <int kCount, int... kLane>
struct LanesBelow : LanesBelow<kCount - 1, kCount - 1, kLane...> {};
template <int... kLane>
struct LanesBelow<0, kLane...> {
  using type = LaneList<kLane...>;
};

template <class Vector, int... kLane>
COSFORMER_INLINE auto join(Vector a, Vector b, LaneList<kLane...>) {
  return __builtin_shufflevector(a, b, kLane...);
}

/// Transposes each 4 × 4 square that the same four lanes of four vectors make.
template <class Vector, int... kLane>
COSFORMER_INLINE void turn_squares(Vector (&v)[4], LaneList<kLane...>) {
  constexpr int kSecond = sizeof...(kLane);  // where the second operand's lanes begin
  const Vector ab_low = __builtin_shufflevector(v[0], v[1], (kLane / 4 * 4 + kLane % 4 / 2 + kLane % 2 * kSecond)...);
  const Vector ab_high = __builtin_shufflevector(v[0], v[1], (kLane / 4 * 4 + 2 + kLane % 4 / 2 + kLane % 2 * kSecond)...);
  const Vector cd_low = __builtin_shufflevector(v[2], v[3], (kLane / 4 * 4 + kLane % 4 / 2 + kLane % 2 * kSecond)...);
  const Vector cd_high = __builtin_shufflevector(v[2], v[3], (kLane / 4 * 4 + 2 + kLane % 4 / 2 + kLane % 2 * kSecond)...);
  v[0] = __builtin_shufflevector(ab_low, cd_low, (kLane / 4 * 4 + kLane % 2 + kLane % 4 / 2 * kSecond)...);
  v[1] = __builtin_shufflevector(ab_low, cd_low, (kLane / 4 * 4 + 2 + kLane % 2 + kLane % 4 / 2 * kSecond)...);
  v[2] = __builtin_shufflevector(ab_high, cd_high, (kLane / 4 * 4 + kLane % 2 + kLane % 4 / 2 * kSecond)...);
  v[3] = __builtin_shufflevector(ab_high, cd_high, (kLane / 4 * 4 + 2 + kLane % 2 + kLane % 4 / 2 * kSecond)...);
}

/// Four numbers of each of kCount / 4 rows, four rows apart.
template <int kCount>
COSFORMER_INLINE auto gather_fours(const float* p, int64_t row) {
  if constexpr (kCount == 4) {
    typedef float Four __attribute__((vector_size(16)));
    Four v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  } else {
    const auto a = gather_fours<kCount / 2>(p, row), b = gather_fours<kCount / 2>(p + kCount / 2 * row, row);
    return join(a, b, typename LanesBelow<kCount>::type{});
  }
}

/// Transposes kCount rows from `x` on, as far as their columns come in fours.
template <int kCount>
COSFORMER_INLINE void transpose_rows(int64_t columns, const float* x, int64_t x_row, float* y, int64_t y_row) {
  for (int64_t j = 0; j + 4 <= columns; j += 4) {
    using Vector = decltype(gather_fours<kCount>(x, x_row));
    Vector v[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) v[r] = gather_fours<kCount>(x + r * x_row + j, x_row);
    turn_squares(v, typename LanesBelow<kCount>::type{});
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) __builtin_memcpy(y + (j + r) * y_row, &v[r], sizeof v[r]);
  }
}

void transpose(int64_t rows, int64_t columns, const float* x, int64_t x_row, float* y, int64_t y_row) {
  const int64_t whole_columns = columns / 4 * 4;
  int64_t whole_rows = 0;
  for (; whole_rows + kLanes <= rows; whole_rows += kLanes) {
    transpose_rows<kLanes>(columns, x + whole_rows * x_row, x_row, y + whole_rows, y_row);
  }
  for (; whole_rows + 4 <= rows; whole_rows += 4) {
    transpose_rows<4>(columns, x + whole_rows * x_row, x_row, y + whole_rows, y_row);
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j) y[j * y_row + i] = x[i * x_row + j];
  }
}

}  // namespace
