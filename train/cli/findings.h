#pragma once
/// \file
/// What `cosformer doctor` finds fault with.

#include <cstdint>
#include <string>
#include <vector>

#include "core/blas_info.h"
#include "core/blas_kernels.h"
#include "train/cli/machine.h"

namespace cosformer {

/// What this process uses of the machine.
struct Setup {
  int threads = 1;
  std::string instruction_set;  ///< "baseline", "avx2", "avx512", "neon"
  BlasInfo blas;
  BlasKernels blas_kernels;
  std::int64_t free_disk_bytes = 0;  ///< of the current folder
  bool optimized_build = true;
  std::string mpi;  ///< "Open MPI v4.1.4"; empty in a build without
};

struct Finding {
  std::string what;
  std::string fix;
};

std::vector<Finding> find_faults(const Machine& machine, const Setup& setup);

/// "23.4 GiB".
std::string format_bytes(std::int64_t bytes);

}  // namespace cosformer
