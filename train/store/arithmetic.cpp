#include "train/store/arithmetic.h"

#include "core/blas_guard.h"
#include "core/blas_info.h"
#include "core/error.h"
#include "core/simd/row_loops.h"

namespace cosformer {

Arithmetic this_arithmetic() {
  const BlasInfo blas = blas_info();
  return {instruction_set(), blas_name_and_version(blas.version), blas.core};
}

std::string describe(const Arithmetic& arithmetic) {
  return concat(arithmetic.instruction_set, ", ", arithmetic.blas_library, " with kernels ", arithmetic.blas_kernels);
}

}  // namespace cosformer
