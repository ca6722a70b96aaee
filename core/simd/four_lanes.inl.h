#pragma once
/// \file
/// Vectors of four numbers without loads and stores of parts: what the baseline and NEON share. Included before
/// row_loops.inl.h and tile_loops.inl.h.

#include <cstdint>

namespace {

constexpr int kLanes = 4;
typedef float Floats __attribute__((vector_size(16)));

Floats load_partial(const float* p, std::int64_t n) {
  Floats v = {};
  for (int j = 0; j < n; ++j) v[j] = p[j];
  return v;
}

void store_partial(float* p, Floats v, std::int64_t n) {
  for (int j = 0; j < n; ++j) p[j] = v[j];
}

}  // namespace
