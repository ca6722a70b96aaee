#pragma once
/// \file
/// What the loops of rows and of tiles share: vectors of `kLanes` numbers (GCC's and Clang's vector extension).
///
/// Included by them, after the instruction set's file has defined kLanes and Floats in an anonymous namespace.

namespace {

using std::int64_t;

#define COSFORMER_INLINE inline __attribute__((always_inline))

COSFORMER_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

COSFORMER_INLINE Floats splat(float x) { return x - Floats{}; }

COSFORMER_INLINE Floats load(const float* p) {
  Floats v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

COSFORMER_INLINE void store(float* p, Floats v) { __builtin_memcpy(p, &v, sizeof v); }

/// The sum of all lanes, halves first. Shuffles, for a vector that goes through memory waits for its own store at every
/// half.
template <class Vector>
COSFORMER_INLINE float add_lanes(Vector v) {
  constexpr int kCount = sizeof v / sizeof(float);
  if constexpr (kCount == 16) {
    return add_lanes(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
  } else if constexpr (kCount == 8) {
    return add_lanes(__builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7));
  } else {
    static_assert(kCount == 4);
    return (v[0] + v[2]) + (v[1] + v[3]);
  }
}

}  // namespace
