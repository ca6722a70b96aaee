#include "core/simd/four_lanes.inl.h"
#include "core/simd/tile_loops.h"

namespace {

/// 12 sums, 2 vectors of B and one of A: 15 of 16 registers.
constexpr int kBlockRows = 6;
constexpr int kBlockVectors = 2;

}  // namespace

#include "core/simd/tile_loops.inl.h"

namespace cosformer::simd {

const TileLoops& baseline_tile_loops() { return kTileLoops; }

}  // namespace cosformer::simd
