#include <arm_neon.h>

#include "core/simd/four_lanes.inl.h"
#include "core/simd/row_loops.h"

namespace {

typedef std::int32_t Ints __attribute__((vector_size(16)));
typedef std::uint64_t Wide __attribute__((vector_size(16)));
constexpr Ints kLaneIndex = {0, 1, 2, 3};

float32x4_t neon(Floats x) { return reinterpret_cast<float32x4_t>(x); }

Floats square_root(Floats x) { return reinterpret_cast<Floats>(vsqrtq_f32(neon(x))); }

Floats clamp(Floats x, Floats low, Floats high) {
  return reinterpret_cast<Floats>(vminq_f32(neon(high), vmaxq_f32(neon(low), neon(x))));
}

Wide multiply_low_halves(Wide a, std::uint32_t b) {
  return reinterpret_cast<Wide>(vmull_u32(vmovn_u64(reinterpret_cast<uint64x2_t>(a)), vdup_n_u32(b)));
}

}  // namespace

#include "core/simd/row_loops.inl.h"

namespace cosformer::simd {

const RowLoops<float>& neon_row_loops() {
  static constexpr RowLoops<float> table = make_row_loops("neon");
  return table;
}

}  // namespace cosformer::simd
