#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/simd/four_lanes.inl.h"
#include "core/simd/row_loops.h"

namespace {

typedef std::int32_t Ints __attribute__((vector_size(16)));
typedef std::uint64_t Wide __attribute__((vector_size(16)));
constexpr Ints kLaneIndex = {0, 1, 2, 3};

Floats square_root(Floats x) {
  for (int j = 0; j < kLanes; ++j) x[j] = __builtin_sqrtf(x[j]);
  return x;
}

Floats clamp(Floats x, Floats low, Floats high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

Wide multiply_low_halves(Wide a, std::uint32_t b) {
#ifdef __SSE2__
  return reinterpret_cast<Wide>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), _mm_set1_epi64x(b)));
#else
  return (a & 0xffffffffU) * b;
#endif
}

}  // namespace

#include "core/simd/row_loops.inl.h"

namespace cosformer::simd {

const RowLoops<float>& baseline_row_loops() {
  static constexpr RowLoops<float> table = make_row_loops("baseline");
  return table;
}

}  // namespace cosformer::simd
