#pragma once
/// \file
/// What to do if the loader has found another OpenBLAS than the one that this program was built with.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cosformer {

/// "OpenBLAS 0.3.21" of the library's description of itself; what follows there are options of its build.
std::string blas_name_and_version(std::string_view description);

/// How a build of OpenBLAS makes threads.
enum class BlasThreads : std::uint8_t { none, own, openmp };

/// A library as the loader has found it.
struct FoundBlas {
  std::string file;     ///< where it lies
  std::string version;  ///< "OpenBLAS 0.3.21"
  BlasThreads threads = BlasThreads::openmp;
};

/// What is to be said of a library if `expected` ("OpenBLAS 0.3.21", on OpenMP) is what this program was built with;
/// nothing if it is that. Throws InputError for a build that several threads must not call at once.
std::optional<std::string> difference_of_blas(const FoundBlas& found, const std::string& expected);

/// Looks at the OpenBLAS of this process, which LD_LIBRARY_PATH may have chosen, before the first product, and returns
/// `difference_of_blas`. A build with threads of its own is kept to one thread per call: its own split of a product would
/// change the bits with the number of threads. Throws InputError as `difference_of_blas`, and if it cannot be kept.
std::optional<std::string> guard_blas();

}  // namespace cosformer
