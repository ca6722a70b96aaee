#pragma once
/// \file
/// Which BLAS library this process uses.

#include <string>

namespace cosformer {

struct BlasInfo {
  std::string version;  ///< "OpenBLAS 0.3.21 …", as the library describes its build
  std::string core;     ///< the processor family whose kernels it chose: "Haswell", "SkylakeX", …
  bool openmp = false;  ///< built on OpenMP, as the matrix products here need
};
BlasInfo blas_info();

}  // namespace cosformer
