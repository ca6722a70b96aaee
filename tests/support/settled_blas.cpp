// Linked into test programs: their products use the kernels that the program would use.
#include "core/blas_kernels.h"

namespace cosformer::test {

namespace {
[[maybe_unused]] const BlasKernels& settled = blas_kernels();
}

}  // namespace cosformer::test
