#pragma once
/// \file
/// The float loops of core/simd.h as a table of functions, one table an instruction set.
///
/// The files of an instruction set are compiled with flags of their own. They may include only this header, <cstdint> and
/// intrinsics: an inline function of the standard library compiled there could replace the one that the rest of the
/// program links, and crash on processors without the instructions.

#include <cstdint>

#include "core/simd.h"

namespace cosformer::simd {

struct RowLoops {
  const char* name;
  float (*max)(const float* x, std::int64_t n);
  float (*exp_sum)(const float* x, float scale, float shift, float* y, std::int64_t n);
  float (*dot)(const float* x, const float* y, std::int64_t n);
  float (*sum)(const float* x, std::int64_t n);
  void (*add_scaled)(float alpha, const float* x, float* y, std::int64_t n);
  void (*scale)(float alpha, const float* x, float* y, std::int64_t n);
  void (*gelu)(const float* x, float* y, std::int64_t n);
  void (*gelu_backward)(const float* x, const float* dy, float* dx, std::int64_t n);
  void (*gelu_with_slope)(const float* x, float* y, float* slope, std::int64_t n);
  void (*mean_variance)(const float* x, std::int64_t n, float* mean, float* variance);
  void (*normalize)(const float* x, float mean, float inverse_deviation, const float* weight, const float* bias, float* y,
                    std::int64_t n);
  void (*normalize_backward)(const float* x, float mean, float inverse_deviation, const float* weight, const float* dy,
                             float* dx, float* dweight, float* dbias, std::int64_t n);
  void (*adamw)(const AdamWStep& step, const float* gradient, float* parameter, float* m, float* v, std::int64_t n);
  void (*dropout)(const DropoutMask& mask, std::int64_t first, const float* x, float* y, std::int64_t n);
};

/// The table of "baseline", "avx2" or "avx512"; null for another name and where this processor or build lacks the set.
const RowLoops* row_loops(const char* instruction_set);

/// The table in use; see `instruction_set()`.
const RowLoops& row_loops();

const RowLoops& baseline_row_loops();
#ifdef COSFORMER_X86_ROW_LOOPS
const RowLoops& avx2_row_loops();
const RowLoops& avx512_row_loops();
#endif

}  // namespace cosformer::simd
