#pragma once
/// \file
/// The memory that OpenBLAS takes for itself.

#include <cstddef>

namespace cosformer {

/// Bytes of the address space that one buffer of OpenBLAS takes on x86-64 and more than it takes elsewhere; memory is used
/// only where a product writes. Source: BUFFER_SIZE in OpenBLAS's common_x86_64.h, 32 << 22.
inline constexpr std::size_t kBlasBufferBytes = std::size_t{128} << 20;

/// Makes OpenBLAS map the buffers that `threads` threads need at one time. Without it OpenBLAS maps them in the midst of a
/// product, and if the system has no address space left it tries again for ever. Call outside any loop. Throws Error, one
/// line, if the space is not there.
void reserve_blas_buffers(int threads);

}  // namespace cosformer
