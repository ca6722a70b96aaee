#include "core/simd/row_loops.h"

namespace {

constexpr int kLanes = 4;
typedef float Floats __attribute__((vector_size(16)));
typedef std::int32_t Ints __attribute__((vector_size(16)));
constexpr Ints kLaneIndex = {0, 1, 2, 3};

Floats load_partial(const float* p, std::int64_t n) {
  Floats v = {};
  for (int j = 0; j < n; ++j) v[j] = p[j];
  return v;
}

void store_partial(float* p, Floats v, std::int64_t n) {
  for (int j = 0; j < n; ++j) p[j] = v[j];
}

Floats square_root(Floats x) {
  for (int j = 0; j < kLanes; ++j) x[j] = __builtin_sqrtf(x[j]);
  return x;
}

}  // namespace

#include "core/simd/row_loops.inl.h"

namespace cosformer::simd {

const RowLoops& baseline_row_loops() {
  static constexpr RowLoops table = make_row_loops("baseline");
  return table;
}

}  // namespace cosformer::simd
