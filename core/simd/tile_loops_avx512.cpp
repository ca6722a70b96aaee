#include <immintrin.h>

#include "core/simd/tile_loops.h"

namespace {

constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));

__mmask16 first_lanes(std::int64_t n) { return static_cast<__mmask16>((1U << n) - 1U); }

Floats load_partial(const float* p, std::int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
void store_partial(float* p, Floats v, std::int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

/// 24 sums, 4 vectors of B and one of A: 29 of 32 registers.
constexpr int kBlockRows = 6;
constexpr int kBlockVectors = 4;

}  // namespace

#include "core/simd/tile_loops.inl.h"

namespace cosformer::simd {

const TileLoops& avx512_tile_loops() { return kTileLoops; }

}  // namespace cosformer::simd
