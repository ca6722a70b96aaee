#include <exception>
#include <iostream>
#include <new>
#include <string_view>

#include "core/blas_kernels.h"
#include "core/error.h"
#include "core/parallel.h"
#include "train/cli/verbs.h"

namespace {

constexpr int kFailure = 1;
constexpr int kInputAtFault = 2;

int fail(std::string_view message, int code) {
  // Messages about a file begin with its name.
  const bool labelled = message.find(": error: ") != std::string_view::npos;
  std::cerr << (labelled ? "" : "error: ") << message << '\n';
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    // First: OpenBLAS may be told to choose again, which must not happen beside other threads.
    if (const cosformer::BlasKernels& blas = cosformer::blas_kernels(); blas.weak() && !blas.asked.empty()) {
      std::cerr << "warning: OPENBLAS_CORETYPE=" << blas.asked << ": kernels without " << cosformer::name_of(*blas.processor)
                << ", which this processor has\n";
    }
    cosformer::initialize_threads();
    const int code = cosformer::run_program(argc, argv);
    std::cout.flush();
    return std::cout ? code : fail("standard output cannot be written", kFailure);
  } catch (const cosformer::InputError& error) {
    return fail(error.what(), kInputAtFault);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", kFailure);
  } catch (const std::exception& error) {
    return fail(error.what(), kFailure);
  }
}
