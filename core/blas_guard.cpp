#include "core/blas_guard.h"

#include <cblas.h>
#include <dlfcn.h>

#include <algorithm>

#include "core/error.h"

namespace cosformer {

namespace {

constexpr const char* kAdvice = "; see LD_LIBRARY_PATH";

/// The file that the loader has taken the library from.
std::string library_file() {
  Dl_info info{};
  return dladdr(reinterpret_cast<void*>(&openblas_get_config), &info) != 0 && info.dli_fname ? info.dli_fname : "OpenBLAS";
}

}  // namespace

std::string blas_name_and_version(std::string_view description) {
  description.remove_prefix(std::min(description.find_first_not_of(' '), description.size()));
  const std::size_t name = std::min(description.find(' '), description.size());
  return std::string(description.substr(0, description.find(' ', std::min(name + 1, description.size()))));
}

std::optional<std::string> difference_of_blas(const FoundBlas& found, const std::string& expected) {
  const std::string name = concat(found.file, ": ", found.version);
  check<InputError>(found.threads != BlasThreads::none, name,
                    " is built for one thread, and several threads must not call it; expected the OpenMP build of ",
                    expected, kAdvice);
  if (found.threads == BlasThreads::own) {
    return concat(name, " would start threads of its own and is kept to one per call; expected the OpenMP build of ",
                  expected, kAdvice);
  }
  if (found.version == expected) return std::nullopt;
  return concat(name, ", but this program was built with ", expected, ": results may differ in their last bits", kAdvice);
}

std::optional<std::string> guard_blas() {
  const int parallel = openblas_get_parallel();
  const FoundBlas found{library_file(), blas_name_and_version(openblas_get_config()),
                        parallel == OPENBLAS_OPENMP   ? BlasThreads::openmp
                        : parallel == OPENBLAS_THREAD ? BlasThreads::own
                                                      : BlasThreads::none};
  std::optional<std::string> difference = difference_of_blas(found, blas_name_and_version(OPENBLAS_VERSION));
  if (found.threads == BlasThreads::own) {
    openblas_set_num_threads(1);
    check<InputError>(openblas_get_num_threads() == 1, found.file, ": ", found.version,
                      " starts threads of its own and cannot be kept from it", kAdvice);
  }
  return difference;
}

}  // namespace cosformer
