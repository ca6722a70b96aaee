#include <string_view>

#include "core/simd.h"
#include "core/simd/tile_loops.h"

namespace cosformer::simd {

const TileLoops& tile_loops() {
  static const TileLoops& chosen = []() -> const TileLoops& {
#ifdef COSFORMER_X86_ROW_LOOPS
    const std::string_view name = instruction_set();
    if (name == "avx512") return avx512_tile_loops();
    if (name == "avx2") return avx2_tile_loops();
#endif
    return baseline_tile_loops();
  }();
  return chosen;
}

}  // namespace cosformer::simd
