#include <immintrin.h>

#include "core/simd/row_loops.h"

namespace {

constexpr int kLanes = 8;
typedef float Floats __attribute__((vector_size(32)));
typedef std::int32_t Ints __attribute__((vector_size(32)));
typedef std::uint64_t Wide __attribute__((vector_size(32)));
constexpr Ints kLaneIndex = {0, 1, 2, 3, 4, 5, 6, 7};

Floats load_partial(const float* p, std::int64_t n) {
  return _mm256_maskload_ps(p, reinterpret_cast<__m256i>(kLaneIndex < static_cast<std::int32_t>(n)));
}

void store_partial(float* p, Floats v, std::int64_t n) {
  _mm256_maskstore_ps(p, reinterpret_cast<__m256i>(kLaneIndex < static_cast<std::int32_t>(n)), v);
}

Floats square_root(Floats x) { return _mm256_sqrt_ps(x); }

Floats clamp(Floats x, Floats low, Floats high) { return _mm256_min_ps(high, _mm256_max_ps(low, x)); }
Wide multiply_low_halves(Wide a, std::uint32_t b) {
  return reinterpret_cast<Wide>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(b)));
}

}  // namespace

#include "core/simd/row_loops.inl.h"

namespace cosformer::simd {

const RowLoops<float>& avx2_row_loops() {
  static constexpr RowLoops<float> table = make_row_loops("avx2");
  return table;
}

}  // namespace cosformer::simd
