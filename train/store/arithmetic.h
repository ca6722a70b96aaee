#pragma once
/// \file
/// What rounding depends on.

#include <string>

namespace cosformer {

/// The same config and data give the same bits while these are the same.
struct Arithmetic {
  std::string instruction_set;  ///< of the row loops: "avx512"
  std::string blas_library;     ///< "OpenBLAS 0.3.21"
  std::string blas_kernels;     ///< "SkylakeX"

  friend bool operator==(const Arithmetic&, const Arithmetic&) = default;
};

/// That of this process. Throws InputError as `instruction_set` does.
Arithmetic this_arithmetic();

/// "avx512, OpenBLAS 0.3.21 with kernels SkylakeX".
std::string describe(const Arithmetic& arithmetic);

}  // namespace cosformer
