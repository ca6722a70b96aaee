#pragma once
/// \file
/// Matrix products, cut into tiles that depend on the shape alone.

#include <cstdint>

namespace cosformer {

enum class Transpose : bool { no, yes };

/// C = op(A) · op(B), or C += op(A) · op(B) if `accumulate` (else C is not read), row-major: op(A) m×k, op(B) k×n, C m×n;
/// `lda`, `ldb`, `ldc` count elements between rows as stored. float or double.
///
/// Float products run on our own loops (core/simd/tile_loops.h) if the processor has AVX2 or AVX-512; double ones, and
/// float ones without these, are tiles of OpenBLAS.
///
/// The product is cut into pieces that depend on the shape and the instruction set alone (tiles of C, and ranges of k if
/// C is small), each computed by one thread, so the result has the same bits on any number of threads (OpenBLAS's own split
/// changes them). Inside a loop of `parallel_for` all tiles run on the calling thread.
///
/// Where `row` [n] is given, it is added to every row of the result (a bias; not together with `accumulate`): each tile
/// begins with it, which saves the pass over C that adding it afterwards takes.
template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
          std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc, const T* row = nullptr);

/// The same product by OpenBLAS on the calling thread: for small products of which a caller runs many side by side (one
/// chunk of one attention head, say).
template <class T>
void gemm_serial(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
                 std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc);

}  // namespace cosformer
