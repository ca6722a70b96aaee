#include "core/simd/tile_loops.h"

namespace {

constexpr int kLanes = 4;
typedef float Floats __attribute__((vector_size(16)));

Floats load_partial(const float* p, std::int64_t n) {
  Floats v = {};
  for (int j = 0; j < n; ++j) v[j] = p[j];
  return v;
}

void store_partial(float* p, Floats v, std::int64_t n) {
  for (int j = 0; j < n; ++j) p[j] = v[j];
}

/// 12 sums, 2 vectors of B and one of A: 15 of 16 registers.
constexpr int kBlockRows = 6;
constexpr int kBlockVectors = 2;

}  // namespace

#include "core/simd/tile_loops.inl.h"

namespace cosformer::simd {

const TileLoops& baseline_tile_loops() { return kTileLoops; }

}  // namespace cosformer::simd
