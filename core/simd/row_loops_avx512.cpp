#include <immintrin.h>

#include "core/simd/row_loops.h"

namespace {

constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef std::int32_t Ints __attribute__((vector_size(64)));
typedef std::uint64_t Wide __attribute__((vector_size(64)));
constexpr Ints kLaneIndex = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

__mmask16 first_lanes(std::int64_t n) { return static_cast<__mmask16>((1U << n) - 1U); }

Floats load_partial(const float* p, std::int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
void store_partial(float* p, Floats v, std::int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
// The masked forms of intrinsics: GCC 12 warns about its own header for the plain ones.
Floats square_root(Floats x) { return _mm512_maskz_sqrt_ps(0xFFFF, x); }

Floats clamp(Floats x, Floats low, Floats high) {
  return _mm512_maskz_min_ps(0xFFFF, high, _mm512_maskz_max_ps(0xFFFF, low, x));
}
/// x · 2^k for whole k, rounded once.
Floats scale_by_power(Floats x, Floats k) { return _mm512_maskz_scalef_ps(0xFFFF, x, k); }
Wide multiply_low_halves(Wide a, std::uint32_t b) {
  return reinterpret_cast<Wide>(_mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(a), _mm512_set1_epi64(b)));
}

}  // namespace

#include "core/simd/row_loops.inl.h"

namespace cosformer::simd {

const RowLoops<float>& avx512_row_loops() {
  static constexpr RowLoops<float> table = make_row_loops("avx512");
  return table;
}

}  // namespace cosformer::simd
