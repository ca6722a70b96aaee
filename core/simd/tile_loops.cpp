#include "core/simd/tile_loops.h"

#include <string_view>

#include "core/simd/row_loops.h"

namespace cosformer::simd {

const TileLoops* tile_loops(const char* instruction_set) {
  if (row_loops(instruction_set) == nullptr) return nullptr;
  [[maybe_unused]] const std::string_view name = instruction_set;
#ifdef COSFORMER_X86_ROW_LOOPS
  if (name == "avx512") return &avx512_tile_loops();
  if (name == "avx2") return &avx2_tile_loops();
#endif
#ifdef __aarch64__
  if (name == "neon") return &neon_tile_loops();
#endif
  return &baseline_tile_loops();
}

const TileLoops& tile_loops() {
  static const TileLoops& chosen = *tile_loops(instruction_set());
  return chosen;
}

}  // namespace cosformer::simd
