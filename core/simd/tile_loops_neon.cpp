#include "core/simd/four_lanes.inl.h"
#include "core/simd/tile_loops.h"

namespace {

/// 24 sums, 4 vectors of B and one of A: 29 of 32 registers.
constexpr int kBlockRows = 6;
constexpr int kBlockVectors = 4;

}  // namespace

#include "core/simd/tile_loops.inl.h"

namespace cosformer::simd {

const TileLoops& neon_tile_loops() { return kTileLoops; }

}  // namespace cosformer::simd
