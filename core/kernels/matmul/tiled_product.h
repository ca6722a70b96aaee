#pragma once
/// \file
/// Float matrix products by the loops of core/simd/tile_loops.h: how they are cut and packed. Internal to gemm.cpp.

#include "core/kernels/matmul/gemm.h"
#include "core/kernels/scratch_matrix.h"

namespace cosformer::detail {

/// C (m × n) = op(A)·op(B) + `row` in every row, or C += op(A)·op(B) if `accumulate` (`row` is null then). A null `row`
/// is a row of zeros. On all threads, with the same bits on any number of them.
void tiled_product(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                   MatrixView<const float> a, MatrixView<const float> b, bool accumulate, MatrixView<float> c,
                   const float* row);

}  // namespace cosformer::detail
