// Linked into test programs: they, and the programs that they start, use the kernels that fit the processor.
#include <cstdlib>

#include "core/blas_kernels.h"

namespace cosformer::test {

namespace {

/// A weak kernel that the shell asks for is not what is tested; it would add its warning to the errors of every program.
const BlasKernels& settle() {
  ::unsetenv("OPENBLAS_CORETYPE");
  return blas_kernels();
}

[[maybe_unused]] const BlasKernels& settled = settle();

}  // namespace

}  // namespace cosformer::test
