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

/// The sum of all lanes, halves first.
COSFORMER_INLINE float add_lanes(Floats v) {
  float s[kLanes];
  __builtin_memcpy(s, &v, sizeof v);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) s[j] += s[j + half];
  }
  return s[0];
}

}  // namespace
