#include <immintrin.h>

#include "core/simd/tile_loops.h"

namespace {

constexpr int kLanes = 8;
typedef float Floats __attribute__((vector_size(32)));
typedef std::int32_t Ints __attribute__((vector_size(32)));

__m256i first_lanes(std::int64_t n) {
  constexpr Ints kLaneIndex = {0, 1, 2, 3, 4, 5, 6, 7};
  return reinterpret_cast<__m256i>(kLaneIndex < static_cast<std::int32_t>(n));
}

Floats load_partial(const float* p, std::int64_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
void store_partial(float* p, Floats v, std::int64_t n) { _mm256_maskstore_ps(p, first_lanes(n), v); }

/// 12 sums, 2 vectors of B and one of A: 15 of 16 registers.
constexpr int kBlockRows = 6;
constexpr int kBlockVectors = 2;

}  // namespace

#include "core/simd/tile_loops.inl.h"

namespace cosformer::simd {

const TileLoops& avx2_tile_loops() { return kTileLoops; }

}  // namespace cosformer::simd
